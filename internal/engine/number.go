package engine

import (
	"math/big"
	"strconv"
)

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
