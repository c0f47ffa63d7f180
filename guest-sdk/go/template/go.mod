module {{name}}

go 1.24

require edgemill v0.0.0

replace edgemill => ./sdk
