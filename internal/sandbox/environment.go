package sandbox

import "strings"

// passed are the variables that programs inherit; those ending in _ are prefixes. Nothing else of the server's
// environment goes on: it may hold the database's password and keys.
var passed = []string{
	"PATH", "HOME", "USER", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "APIBR_SYSFS_ROOT",
	"HSA_", "HIP_", "ROCR_", "ROCM_", "MIOPEN_", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH_", "OMP_", "GPU_", "AMD_",
}

// Inherited picks from an environment, entries of the form KEY=VALUE, what a program that computes needs of it.
func Inherited(environ []string) []string {
	var kept []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		for _, allowed := range passed {
			if name == allowed || strings.HasSuffix(allowed, "_") && strings.HasPrefix(name, allowed) {
				kept = append(kept, entry)
				break
			}
		}
	}
	return kept
}
