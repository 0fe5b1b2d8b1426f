// Package device reads the machine: host memory and its pressure, graphics cards and what they hold, processes and what
// they cost, the kernel's boot id. The doctor turns the same facts into advice.
//
// Everything comes from /proc and /sys, below a root that APIBR_SYSFS_ROOT moves (tests and rehearsals bring a tree of
// their own); NVIDIA cards are asked through nvidia-smi as a process. No driver is linked and no GPU context is ever
// opened here: an idle server must not hold a card awake.
//
// A Host is a struct of functions, so that its users (memory guard, scheduler, recovery) are tested with a
// script instead of a machine.
package device
