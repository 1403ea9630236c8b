// Command runtime stands before runc on a machine whose root does not hold every right. It takes out
// of a container's specification what this process could not give anyway (capabilities outside its own
// bounding set, an oom score below its own, limits above its own) and becomes runc. Where root lacks
// nothing it changes nothing.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	if err := prepare(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runtime:", err)
		os.Exit(1)
	}
	runc, err := exec.LookPath("runc")
	if err == nil {
		err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "runtime: cannot start runc:", err)
	os.Exit(1)
}

func prepare(args []string) error {
	own, err := ownRights()
	if err != nil {
		return err
	}
	if own.lacks == nil {
		return nil
	}
	bundle := "."
	for i, arg := range args {
		if value, ok := option(args, i, arg, "--bundle", "-b"); ok {
			bundle = value
		}
	}
	for i, arg := range args {
		switch arg {
		case "create", "run":
			return rewrite(filepath.Join(bundle, "config.json"), func(spec object) {
				if process, ok := spec["process"].(object); ok {
					own.limit(process)
				}
			})
		case "exec":
			for j := i + 1; j < len(args); j++ {
				if file, ok := option(args, j, args[j], "--process", "-p"); ok {
					return rewrite(file, own.limit)
				}
			}
			return nil
		}
	}
	return nil
}

// option answers the value of an option in either form, "--name value" and "--name=value".
func option(args []string, at int, arg string, names ...string) (string, bool) {
	for _, name := range names {
		if arg == name && at+1 < len(args) {
			return args[at+1], true
		}
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
