package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

type object = map[string]any

// The kernel's capabilities in the order of their numbers.
var capabilities = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
	SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
	AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON
	BPF CHECKPOINT_RESTORE`)

type rights struct {
	lacks    map[string]bool
	oomScore int64
}

func ownRights() (rights, error) {
	own := rights{}
	for number, name := range capabilities {
		held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(number), 0, 0, 0)
		if err == nil && held == 0 {
			if own.lacks == nil {
				own.lacks = map[string]bool{}
			}
			own.lacks["CAP_"+name] = true
		}
	}
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return own, err
	}
	own.oomScore, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return own, err
}

// limit changes a process of the runtime specification in place.
func (own rights) limit(process object) {
	if sets, ok := process["capabilities"].(object); ok {
		for set, names := range sets {
			if list, ok := names.([]any); ok {
				sets[set] = own.withoutLacking(list)
			}
		}
	}
	if !own.lacks["CAP_SYS_RESOURCE"] {
		return
	}
	if score, ok := process["oomScoreAdj"].(json.Number); ok {
		if value, err := score.Int64(); err == nil && value < own.oomScore {
			process["oomScoreAdj"] = own.oomScore
		}
	}
	if limits, ok := process["rlimits"].([]any); ok {
		process["rlimits"] = withinHard(limits)
	}
}

func (own rights) withoutLacking(names []any) []any {
	kept := []any{}
	for _, name := range names {
		if text, ok := name.(string); !ok || !own.lacks[text] {
			kept = append(kept, name)
		}
	}
	return kept
}

var resources = map[string]int{"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC,
	"RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK}

// withinHard keeps the limits that this process may set; without the right to raise one, the rest stay as they are.
func withinHard(limits []any) []any {
	kept := []any{}
	for _, limit := range limits {
		entry, ok := limit.(object)
		if !ok {
			continue
		}
		name, _ := entry["type"].(string)
		number, known := resources[name]
		var own syscall.Rlimit
		if !known || syscall.Getrlimit(number, &own) != nil {
			continue
		}
		hard, ok := entry["hard"].(json.Number)
		if !ok {
			continue
		}
		if value, err := strconv.ParseUint(hard.String(), 10, 64); err == nil && value <= own.Max {
			kept = append(kept, limit)
		}
	}
	return kept
}

// rewrite changes a JSON file in place; numbers keep their digits.
func rewrite(file string, change func(object)) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	spec := object{}
	if err := decoder.Decode(&spec); err != nil {
		return err
	}
	change(spec)
	changed, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(file, changed, 0o600)
}
