package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

type object = map[string]any

// writeConfig writes the CNI configuration, whole or not at all: containerd reads it as soon as it is there.
func writeConfig(folder, podCIDR string) error {
	text, err := json.MarshalIndent(object{
		"cniVersion": "0.3.1",
		"name":       "podnet",
		"plugins": []object{
			{
				"type":   "ptp",
				"ipMasq": false,
				"mtu":    1500,
				"ipam": object{
					"type":    "host-local",
					"dataDir": "/run/cni-ipam-state", // /run is empty after a restart of the node, as the pods are gone
					"routes":  []object{{"dst": "0.0.0.0/0"}},
					"ranges":  [][]object{{{"subnet": podCIDR}}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "10-podnet.conflist")
	if there, err := os.ReadFile(file); err == nil && bytes.Equal(there, text) {
		return nil
	}
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// masquerade hides pods behind their node for every destination but other pods.
func masquerade(ctx context.Context, podSubnet string) error {
	if podSubnet == "" {
		return errors.New("POD_SUBNET is not set")
	}
	rule := []string{"POSTROUTING", "-s", podSubnet, "!", "-d", podSubnet, "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", "MASQUERADE"}
	if iptables(ctx, append([]string{"-C"}, rule...)) == nil {
		return nil
	}
	return iptables(ctx, append([]string{"-A"}, rule...))
}

func iptables(ctx context.Context, args []string) error {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	said, err := exec.CommandContext(ctx, "iptables", append([]string{"-w", "10", "-t", "nat"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("iptables %v: %w: %s", args, err, said)
	}
	return nil
}
