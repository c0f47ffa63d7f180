module conformance

go 1.24

require edgemill v0.0.0

replace edgemill => ../../go
