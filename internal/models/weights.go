package models

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// checkWeights refuses a file of weights that no engine could read, or that could do more than hold weights, before it
// takes the place of one that works. name is for the sentence. Files of other kinds pass. Fails with *InputError.
func checkWeights(file, name string) error {
	var check func(f *os.File, size int64) error
	switch strings.ToLower(path.Ext(name)) {
	case ".pt", ".pth":
		return checkTorch(file, name)
	case ".gguf":
		check = checkGGUF
	case ".safetensors":
		check = checkSafetensors
	case ".onnx":
		check = checkONNX
	case ".bin":
		check = checkNumbers
	default:
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("models: read the weights: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("models: read the weights: %w", err)
	}
	if err := check(f, info.Size()); errors.Is(err, errNotNumbers) {
		return inputError(
			"%s may hold a pickle, which can run programs when it is read: use a file in safetensors or GGUF",
			name,
		)
	} else if err != nil {
		return inputError("%s is damaged (%v): fetch the file again", name, err)
	}
	return nil
}

var (
	errShort   = i18n.NewError("it ends in its header")
	errTooMany = i18n.NewError("it claims too many parts")
	errOutside = i18n.NewError("a tensor lies outside the file")
	errTwice   = i18n.NewError("two tensors have one name")
	errShape   = i18n.NewError("a tensor has an impossible shape")
)

// errNotNumbers says that a file of numbers is something else, which could be a program.
var errNotNumbers = errors.New("models: not a file of numbers")

// checkONNX looks for the first field of an ONNX file, the version of its format.
func checkONNX(f *os.File, _ int64) error {
	const irVersion = 0x08 // field 1 of ModelProto, a number: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
	if head, err := headOf(f, 1); err != nil || head[0] != irVersion {
		return i18n.NewError("it is not in the ONNX format")
	}
	return nil
}

// checkNumbers refuses what torch and pickle would read as something to run: a zip archive, and a pickle.
func checkNumbers(f *os.File, _ int64) error {
	head, err := headOf(f, 4)
	switch {
	case err != nil:
		return errShort
	case string(head) == "PK\x03\x04", head[0] == 0x80 && head[1] <= 5 && head[1] >= 2:
		return errNotNumbers
	default:
		return nil
	}
}

func headOf(f *os.File, bytes int) ([]byte, error) {
	head := make([]byte, bytes)
	_, err := io.ReadFull(f, head)
	return head, err
}

// Bounds of what a header may claim, as the engines' own reader has them
// (pyworkers/apibr_worker/torchkit/gguf_file.py).
const (
	maxTensors    = 65_536
	maxFields     = 65_536
	maxDimensions = 4
	maxName       = 65_535 // bytes
	maxSide       = 1 << 40
)

// checkSafetensors reads the header: a length of 8 bytes, JSON, then the tensors without a gap. Format:
// https://github.com/huggingface/safetensors#format
func checkSafetensors(f *os.File, size int64) error {
	const lengthBytes, longestHeader = 8, 100 << 20 // the format's own limit
	length, err := number(f, lengthBytes)
	if err != nil {
		return errShort
	}
	if length > longestHeader || int64(length) > size-lengthBytes {
		return errShort
	}
	decoder := json.NewDecoder(bufio.NewReader(io.LimitReader(f, int64(length))))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return i18n.NewError("its header is not JSON")
	}
	data, end, seen := size-lengthBytes-int64(length), int64(0), map[string]bool{}
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return i18n.NewError("its header is not JSON")
		}
		if name == "__metadata__" {
			var text map[string]string
			if decoder.Decode(&text) != nil {
				return i18n.NewError("its metadata is not text")
			}
			continue
		}
		var tensor safetensor
		if decoder.Decode(&tensor) != nil {
			return i18n.NewError("its header does not describe tensors")
		}
		if seen[name] {
			return errTwice
		}
		if seen[name] = true; len(seen) > maxTensors {
			return errTooMany
		}
		if err := tensor.check(data); err != nil {
			return err
		}
		end = max(end, tensor.Offsets[1])
	}
	if _, err := decoder.Token(); err != nil {
		return errShort
	}
	if len(seen) == 0 {
		return i18n.NewError("it holds no tensor")
	}
	if end != data {
		return i18n.NewError("it is longer than its tensors")
	}
	return nil
}

type safetensor struct {
	Type    string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// typeBits are the sizes of the format's types.
var typeBits = map[string]int64{
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
	"I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
	"F32": 32, "I64": 64, "U64": 64, "F64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}

func (t *safetensor) check(data int64) error {
	bits, known := typeBits[t.Type]
	if !known {
		return i18n.NewError("a tensor has an unknown type")
	}
	count := int64(1)
	for _, side := range t.Shape {
		if side < 0 || side >= maxSide || side > 0 && count > (1<<50)/side {
			return errShape
		}
		count *= side
	}
	from, to := t.Offsets[0], t.Offsets[1]
	if from < 0 || to < from || to > data {
		return errOutside
	}
	if (count*bits+7)/8 != to-from {
		return errShape
	}
	return nil
}

// blocks are the quantisations of GGUF by their number: weights and bytes of a block. Source: ggml/src/ggml-common.h
// and ggml.h of https://github.com/ggml-org/ggml.
var blocks = map[uint64][2]uint64{
	0: {1, 4}, 1: {1, 2}, 2: {32, 18}, 3: {32, 20}, 6: {32, 22}, 7: {32, 24}, 8: {32, 34}, 9: {32, 40},
	10: {256, 84}, 11: {256, 110}, 12: {256, 144}, 13: {256, 176}, 14: {256, 210}, 15: {256, 292}, 16: {256, 66},
	17: {256, 74}, 18: {256, 98}, 19: {256, 50}, 20: {32, 18}, 21: {256, 110}, 22: {256, 82}, 23: {256, 136},
	24: {1, 1}, 25: {1, 2}, 26: {1, 4}, 27: {1, 8}, 28: {1, 8}, 29: {256, 56}, 30: {1, 2}, 34: {256, 54},
	35: {256, 66}, 39: {32, 17}, 40: {64, 36}, 41: {128, 18},
}

// scalars are the sizes of a field's plain types by their number.
var scalars = map[uint64]uint64{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

const (
	ggufText  = 8
	ggufArray = 9
)

// gguf follows the header of a file. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
type gguf struct {
	*bufio.Reader
	size, at  uint64
	alignment uint64
}

func checkGGUF(f *os.File, size int64) error {
	g := &gguf{Reader: bufio.NewReaderSize(f, 1<<16), size: uint64(size), alignment: 32}
	magic := g.take(4)
	if string(magic) != "GGUF" {
		return i18n.NewError("it does not begin as a GGUF file")
	}
	version, err := g.number(4)
	if err != nil || version != 2 && version != 3 {
		return i18n.NewError("its version of the format is not known")
	}
	tensors, err1 := g.number(8)
	fields, err2 := g.number(8)
	if err := errors.Join(err1, err2); err != nil {
		return errShort
	}
	if tensors > maxTensors || fields > maxFields {
		return errTooMany
	}
	if tensors == 0 {
		return i18n.NewError("it holds no tensor")
	}
	for range fields {
		if err := g.field(); err != nil {
			return err
		}
	}
	return g.tensors(tensors)
}

// take reads so many bytes; nil when the file ends before.
func (g *gguf) take(count int) []byte {
	content := make([]byte, count)
	if _, err := io.ReadFull(g, content); err != nil {
		return nil
	}
	g.at += uint64(count)
	return content
}

func (g *gguf) number(bytes int) (uint64, error) {
	content := g.take(bytes)
	if content == nil {
		return 0, errShort
	}
	var raw [8]byte
	copy(raw[:], content)
	return binary.LittleEndian.Uint64(raw[:]), nil
}

func (g *gguf) skip(count uint64) error {
	if count > g.size-g.at {
		return errShort
	}
	if _, err := io.CopyN(io.Discard, g, int64(count)); err != nil {
		return errShort
	}
	g.at += count
	return nil
}

func (g *gguf) text() (string, error) {
	length, err := g.number(8)
	if err != nil {
		return "", err
	}
	if length > maxName {
		return "", i18n.NewError("a name in it is too long")
	}
	content := g.take(int(length))
	if content == nil && length > 0 {
		return "", errShort
	}
	return string(content), nil
}

func (g *gguf) skipText() error {
	length, err := g.number(8)
	if err != nil {
		return err
	}
	return g.skip(length)
}

func (g *gguf) field() error {
	key, err := g.text()
	if err != nil {
		return err
	}
	kind, err := g.number(4)
	if err != nil {
		return err
	}
	size, plain := scalars[kind]
	switch {
	case plain:
		value, err := g.number(int(size))
		if key == "general.alignment" {
			g.alignment = value
		}
		return err
	case kind == ggufText:
		return g.skipText()
	case kind == ggufArray:
		return g.array()
	default:
		return i18n.NewError("a field has an unknown type")
	}
}

func (g *gguf) array() error {
	kind, err1 := g.number(4)
	count, err2 := g.number(8)
	if errors.Join(err1, err2) != nil {
		return errShort
	}
	size, plain := scalars[kind]
	switch {
	case plain && count > (g.size-g.at)/size:
		return errShort
	case plain:
		return g.skip(count * size)
	case kind != ggufText:
		return i18n.NewError("an array has an unknown type")
	}
	for range count { // each takes 8 bytes at least, so the file's end is the bound
		if err := g.skipText(); err != nil {
			return err
		}
	}
	return nil
}

// tensors reads what the header says of each and checks that all lie in the file.
func (g *gguf) tensors(count uint64) error {
	type place struct{ offset, length uint64 }
	places, seen := make([]place, 0, count), make(map[string]bool, count)
	for range count {
		name, err := g.text()
		if err != nil {
			return err
		}
		if seen[name] {
			return errTwice
		}
		seen[name] = true
		length, err := g.length()
		if err != nil {
			return err
		}
		offset, err := g.number(8)
		if err != nil {
			return err
		}
		places = append(places, place{offset, length})
	}
	const page = 4096
	if g.alignment == 0 || g.alignment > page || g.alignment&(g.alignment-1) != 0 {
		return i18n.NewError("its alignment is impossible")
	}
	start := (g.at + g.alignment - 1) / g.alignment * g.alignment
	for _, p := range places {
		if p.offset%g.alignment != 0 || start > g.size || p.offset > g.size-start || p.length > g.size-start-p.offset {
			return errOutside
		}
	}
	return nil
}

// length of the next tensor's data in bytes, from its shape and quantisation.
func (g *gguf) length() (uint64, error) {
	dimensions, err := g.number(4)
	if err != nil {
		return 0, err
	}
	if dimensions < 1 || dimensions > maxDimensions {
		return 0, errShape
	}
	count, row := uint64(1), uint64(0)
	for i := range dimensions {
		side, err := g.number(8)
		if err != nil {
			return 0, err
		}
		if side == 0 || side >= maxSide || count > (1<<50)/side {
			return 0, errShape
		}
		if count *= side; i == 0 {
			row = side
		}
	}
	kind, err := g.number(4)
	if err != nil {
		return 0, err
	}
	block, known := blocks[kind]
	if !known {
		return 0, i18n.NewError("a tensor has an unknown type")
	}
	if row%block[0] != 0 {
		return 0, i18n.NewError("a tensor's rows do not hold whole blocks")
	}
	return count / block[0] * block[1], nil
}
