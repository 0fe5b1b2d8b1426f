package device

// Memory is an amount of memory in bytes: of the computer, and of one graphics card. What a job needs, what a process
// holds, what is free and what a run took at most are all amounts.
type Memory struct {
	RAM  int64 `yaml:"ram_bytes"  json:"ram_bytes"`
	VRAM int64 `yaml:"vram_bytes" json:"vram_bytes"`
}

// Fits says whether the amount is within the budget.
func (m Memory) Fits(budget Memory) bool { return m.RAM <= budget.RAM && m.VRAM <= budget.VRAM }

// Most is the larger of the two amounts, of each kind of memory.
func (m Memory) Most(other Memory) Memory {
	return Memory{RAM: max(m.RAM, other.RAM), VRAM: max(m.VRAM, other.VRAM)}
}
