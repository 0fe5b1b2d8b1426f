// Package modelstest makes files of weights in the released formats, small and without a meaning.
package modelstest

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// headBytes is what the heads take.
const headBytes = 128

// Safetensors is a file with one tensor "weight", as long as data, which it holds but for the place of its head; data
// of less than 256 bytes follows the head.
func Safetensors(data []byte) []byte {
	data = behindHead(data)
	header := fmt.Sprintf(`{"weight":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}`, len(data), len(data))
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, uint64(headBytes-8))
	fmt.Fprintf(&b, "%-*s", headBytes-8, header)
	b.Write(data)
	return b.Bytes()
}

func behindHead(data []byte) []byte {
	if len(data) < 2*headBytes {
		return data
	}
	return data[headBytes:]
}

// GGUF is a file as Safetensors makes one, its tensor one of 8-bit integers.
func GGUF(data []byte) []byte {
	data = behindHead(data)
	const int8s = 24
	var b bytes.Buffer
	write := func(values ...any) {
		for _, value := range values {
			if text, ok := value.(string); ok {
				_ = binary.Write(&b, binary.LittleEndian, uint64(len(text)))
				b.WriteString(text)
				continue
			}
			_ = binary.Write(&b, binary.LittleEndian, value)
		}
	}
	b.WriteString("GGUF")
	write(uint32(3), uint64(1), uint64(1))
	write("general.name", uint32(8), "test")
	write("weight", uint32(1), uint64(len(data)), uint32(int8s), uint64(0))
	b.Write(make([]byte, headBytes-b.Len()))
	b.Write(data)
	return b.Bytes()
}
