# Go programs that the real suites want, where the machine has Go, as `go install` names them.
github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
