package engine

import (
	"math/big"
	"strconv"
	"strings"
)

// Nearest is the known name closest to a misspelt one, or "" when none is close (more than a third of it differs).
func Nearest(name string, known []string) string {
	best, bestCost := "", len(name)/3+1
	for _, candidate := range known {
		cost := Distance([]rune(strings.ToLower(name)), []rune(strings.ToLower(candidate)))
		if cost <= bestCost && (best == "" || cost < bestCost) {
			best, bestCost = candidate, cost
		}
	}
	return best
}

// Distance is Levenshtein's: how many letters of a must be changed, added or left out to make it b.
func Distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func number(r *big.Rat) string {
	if r == nil {
		return "nothing"
	}
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', 6, 64)
}
