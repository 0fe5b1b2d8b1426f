package models

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// .pt and .pth files hold a pickle: a small program for Python's unpickler, which may name any function of any module.
// Engines read them with weights_only, where torch allows the names of tensors only. This looks at the names before,
// so that a file with any other never lies among the models.

// weightNames are what a file of weights may name.
var weightNames = regexp.MustCompile(`^(` + strings.Join([]string{
	`torch\._utils _rebuild_(tensor|tensor_v2|parameter|parameter_with_state)`,
	`torch\._tensor _rebuild_from_type_v2`,
	`torch (Size|device|Tensor|(Float|Double|Half|BFloat16|Int|Long|Short|Char|Byte|Bool)Storage|storage\.[A-Za-z]+)`,
	`torch (float32|float16|bfloat16|float64|int64|int32)`,
	`torch\.storage (UntypedStorage|TypedStorage)`,
	`torch\.nn\.parameter Parameter`,
	`torch\.serialization _get_layout`,
	`collections (OrderedDict|Counter)`,
	`(builtins|__builtin__) (set|bytearray|complex)`,
	`_codecs encode`,
}, "|") + `)$`)

const (
	maxPickle = 64 << 20
	// maxPickles of an old file: a number, a version, the machine, the weights and the keys of their storages.
	maxPickles = 5
)

var errPickle = i18n.NewError("the pickle cannot be followed")

// checkTorch refuses a .pt or .pth file that could do more than hold weights. name is for the sentence.
func checkTorch(file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := torchNames(f); err != nil {
		return inputError("%s may run programs when it is read (%v): use a file in safetensors", name, err)
	}
	return nil
}

func torchNames(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if archived, err := isArchive(f); err != nil || !archived {
		if err == nil {
			err = namesOfOld(f)
		}
		return err
	}
	archive, err := zip.NewReader(f, info.Size())
	if err != nil || !isAllOf(f, info.Size(), archive) {
		return errArchive
	}
	pickle, err := onlyPickle(archive)
	if err != nil {
		return err
	}
	return namesOfEntry(pickle)
}

var (
	errArchive = i18n.NewError("its archive is not as torch writes it")
	errProgram = i18n.NewError("it is a program, not weights")
)

const zipHead = "PK\x03\x04"

// isArchive decides as torch does, by the first bytes: a pickle with an archive behind it is read as a pickle. What
// Python's tarfile would take, which torch tries for old files, is refused.
func isArchive(f *os.File) (bool, error) {
	head := make([]byte, len(zipHead))
	if _, err := f.ReadAt(head, 0); err != nil {
		return false, errPickle
	}
	if string(head) == zipHead {
		return true, nil
	}
	if _, err := tar.NewReader(io.NewSectionReader(f, 0, maxPickle)).Next(); err == nil {
		return false, errArchive
	}
	return false, nil
}

// isAllOf says that the archive is the whole file: an entry begins it, and its end, without a comment, ends it. Else
// two readers could find two archives in one file.
func isAllOf(f *os.File, size int64, archive *zip.Reader) bool {
	const endBytes, headBytes, nameAt = 22, 30, 26
	head, end := make([]byte, headBytes), make([]byte, endBytes)
	if size < headBytes+endBytes || archive.Comment != "" {
		return false
	}
	_, err1 := f.ReadAt(head, 0)
	_, err2 := f.ReadAt(end, size-endBytes)
	if errors.Join(err1, err2) != nil || string(end[:4]) != "PK\x05\x06" {
		return false
	}
	first := headBytes + int64(
		binary.LittleEndian.Uint16(head[nameAt:]),
	) + int64(
		binary.LittleEndian.Uint16(head[nameAt+2:]),
	)
	return slices.ContainsFunc(archive.File, func(entry *zip.File) bool {
		offset, err := entry.DataOffset()
		return err == nil && offset == first
	})
}

// onlyPickle is the one that torch reads: data.pkl, which it looks for without regard to case. A file with two, or
// with any other pickle, is refused, as is one in which two entries differ in case only.
func onlyPickle(archive *zip.Reader) (*zip.File, error) {
	var pickle *zip.File
	seen := map[string]bool{}
	for _, entry := range archive.File {
		name := strings.ToLower(entry.Name)
		if seen[name] || strings.Contains(name, "\\") {
			return nil, errArchive
		}
		seen[name] = true
		switch {
		case !strings.HasSuffix(strings.TrimRight(name, "/. "), ".pkl"):
		case path.Base(name) != "data.pkl":
			return nil, errProgram
		case pickle != nil:
			return nil, i18n.NewError("it holds two pickles")
		default:
			pickle = entry
		}
	}
	if pickle == nil {
		return nil, i18n.NewError("it holds no weights")
	}
	return pickle, nil
}

func namesOfEntry(entry *zip.File) error {
	if entry.UncompressedSize64 > maxPickle {
		return errProgram
	}
	content, err := entry.Open()
	if err != nil {
		return errPickle
	}
	defer content.Close()
	return names(bufio.NewReader(io.LimitReader(content, maxPickle)))
}

// namesOfOld reads the format before torch 1.6: pickles one after the other, then the bytes of the storages.
func namesOfOld(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReader(io.LimitReader(f, maxPickle))
	for range maxPickles {
		if err := names(r); err != nil {
			return err
		}
	}
	return nil
}

// reader follows one pickle. It needs no stack: STACK_GLOBAL is believed only directly after two texts, and a memo
// only of a text that was kept directly after it came.
type reader struct {
	*bufio.Reader
	recent [2]string // the last two values if they were texts, else unknown
	memo   map[uint64]string
}

const unknown = "?"

// names follows a pickle to its end and checks every name in it. Operations are those of protocol 2 to 4, in
// pickletools' words.
func names(from *bufio.Reader) error {
	r := &reader{Reader: from, recent: [2]string{unknown, unknown}, memo: map[uint64]string{}}
	for {
		op, err := r.ReadByte()
		if err != nil {
			return errPickle
		}
		if op == '.' { // STOP
			return nil
		}
		if err := r.take(op); err != nil {
			return err
		}
	}
}

func (r *reader) push(text string) { r.recent[0], r.recent[1] = r.recent[1], text }

// take follows one operation.
func (r *reader) take(op byte) error {
	switch op {
	case 'c': // GLOBAL
		return r.global()
	case 0x93: // STACK_GLOBAL
		module, name := r.recent[0], r.recent[1]
		r.recent = [2]string{unknown, unknown}
		return allowed(module, name)
	case 'X', 0x8c, 0x8d: // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
		text, err := sized(r, map[byte]int{'X': 4, 0x8c: 1, 0x8d: 8}[op])
		r.push(text)
		return err
	case 0x94: // MEMOIZE
		r.memo[uint64(len(r.memo))] = r.recent[1]
		return nil
	case 'q', 'r': // BINPUT, LONG_BINPUT
		at, err := number(r, map[byte]int{'q': 1, 'r': 4}[op])
		r.memo[at] = r.recent[1]
		return err
	case 'h', 'j': // BINGET, LONG_BINGET
		at, err := number(r, map[byte]int{'h': 1, 'j': 4}[op])
		text, ok := r.memo[at]
		if !ok {
			text = unknown
		}
		r.push(text)
		return err
	case 0x95: // FRAME
		_, err := number(r, 8)
		return err
	default:
		r.recent = [2]string{unknown, unknown}
		return skip(r, op)
	}
}

func (r *reader) global() error {
	r.recent = [2]string{unknown, unknown}
	module, err1 := r.ReadString('\n')
	name, err2 := r.ReadString('\n')
	if errors.Join(err1, err2) != nil {
		return errPickle
	}
	return allowed(strings.TrimSuffix(module, "\n"), strings.TrimSuffix(name, "\n"))
}

func allowed(module, name string) error {
	if !weightNames.MatchString(module + " " + name) {
		return inputError("it names %s", clip(module)+"."+clip(name))
	}
	return nil
}

func clip(text string) string {
	const longest = 60
	text = strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), longest)]
}

// plain operations have no argument, and call nothing but what GLOBAL named.
const plain = "(])}taebsuRQNl\x85\x86\x87\x88\x89\x8f\x90\x91"

// arguments are the lengths of those that are fixed.
var arguments = map[byte]int{0x80: 1, 'K': 1, 'M': 2, 'J': 4, 'G': 8}

// counted have a length before their bytes.
var counted = map[byte]int{'U': 1, 'T': 4, 'C': 1, 'B': 4, 0x8e: 8, 0x8a: 1, 0x8b: 4}

func skip(r io.Reader, op byte) error {
	if bytes.IndexByte([]byte(plain), op) >= 0 {
		return nil
	}
	if n, ok := arguments[op]; ok {
		_, err := number(r, n)
		return err
	}
	if n, ok := counted[op]; ok {
		_, err := sized(r, n)
		return err
	}
	return errPickle // POP, INST, OBJ, NEWOBJ, EXT and the text operations of protocol 0: weights have none of them
}

func number(r io.Reader, bytes int) (uint64, error) {
	var raw [8]byte
	if _, err := io.ReadFull(r, raw[:bytes]); err != nil {
		return 0, errPickle
	}
	return binary.LittleEndian.Uint64(raw[:]), nil
}

func sized(r io.Reader, bytes int) (string, error) {
	n, err := number(r, bytes)
	if err != nil || n > maxPickle {
		return "", errPickle
	}
	var text strings.Builder
	if copied, err := io.CopyN(&text, r, int64(n)); err != nil || uint64(copied) != n {
		return "", errPickle
	}
	return text.String(), nil
}
