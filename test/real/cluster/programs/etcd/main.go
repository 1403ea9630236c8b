// Command etcd is etcd's own server. Debian's etcd is older than Kubernetes 1.34 asks for.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
