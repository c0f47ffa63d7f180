module edgemill

go 1.24
