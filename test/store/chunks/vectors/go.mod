module vectors

go 1.26.5

require github.com/buildbarn/go-cdc v0.0.10
