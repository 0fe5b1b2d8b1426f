package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"time"
)

// errNotPlainWAV says that ffmpeg has to deal with a file.
var errNotPlainWAV = errors.New("media: not a plain WAV file")

// finishWAV labels a WAV file that an engine wrote: the same chunks with our comment before the sound. Starting ffmpeg
// twice for it took 30 ms of every speech job. It fails with errNotPlainWAV, and writes nothing, when the file is
// anything but a header and samples.
func finishWAV(src, dst string, m Mark) (Info, error) {
	file, err := os.Open(src)
	if err != nil {
		return Info{}, err
	}
	defer file.Close()
	format, size, err := readWAVHeader(file)
	if err != nil {
		return Info{}, err
	}
	channels := binary.LittleEndian.Uint16(format[2:])
	rate, perSecond := binary.LittleEndian.Uint32(format[4:]), binary.LittleEndian.Uint32(format[8:])
	if channels == 0 || rate == 0 || perSecond == 0 {
		return Info{}, errNotPlainWAV
	}
	chunks := []wavChunk{{"fmt ", format}, {"LIST", wavComment(description(m))}}
	if err := writeWAV(dst, chunks, file, int64(size)); err != nil {
		os.Remove(dst)
		return Info{}, diskError(err)
	}
	return Info{
		Kind:        Audio,
		MIME:        "audio/wav",
		Duration:    played(size, perSecond),
		HasAudio:    true,
		SampleRate:  int(rate),
		Channels:    int(channels),
		Orientation: 1,
	}, nil
}

// played is how long so many bytes of samples last.
func played(size, perSecond uint32) time.Duration {
	return time.Duration(float64(size) / float64(perSecond) * float64(time.Second))
}

// WAVDuration reads from the header of a plain WAV file how long it plays. It fails for any other file.
func WAVDuration(file *os.File) (time.Duration, error) {
	format, size, err := readWAVHeader(file)
	if err != nil {
		return 0, err
	}
	perSecond := binary.LittleEndian.Uint32(format[8:])
	if perSecond == 0 {
		return 0, errNotPlainWAV
	}
	return played(size, perSecond), nil
}

// readWAVHeader leaves the file at its first sample; it returns the fmt chunk and the size of the samples in bytes.
func readWAVHeader(file *os.File) (format []byte, size uint32, err error) {
	const longestFormat, smallestFormat = 64, 16
	var riff [12]byte
	if _, err := io.ReadFull(file, riff[:]); err != nil || string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return nil, 0, errNotPlainWAV
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	for {
		var head [8]byte
		if _, err := io.ReadFull(file, head[:]); err != nil {
			return nil, 0, errNotPlainWAV
		}
		name, length := string(head[:4]), binary.LittleEndian.Uint32(head[4:])
		switch {
		case name == "data" && format != nil:
			at, err := file.Seek(0, io.SeekCurrent)
			if err != nil || length == 0 || at+int64(length) > info.Size() {
				return nil, 0, errNotPlainWAV // a stream of unknown length, or cut short
			}
			return format, length, nil
		case name == "fmt " && length >= smallestFormat && length <= longestFormat:
			format = make([]byte, length)
			if _, err := io.ReadFull(file, format); err != nil {
				return nil, 0, errNotPlainWAV
			}
		default:
			if _, err := file.Seek(int64(length), io.SeekCurrent); err != nil {
				return nil, 0, errNotPlainWAV
			}
		}
		if length%2 == 1 {
			if _, err := file.Seek(1, io.SeekCurrent); err != nil {
				return nil, 0, errNotPlainWAV
			}
		}
	}
}

// wavComment is a LIST chunk of type INFO with a comment.
func wavComment(text string) []byte {
	value := append([]byte(text), 0)
	if len(value)%2 == 1 {
		value = append(value, 0)
	}
	var list bytes.Buffer
	list.WriteString("INFOICMT")
	_ = binary.Write(&list, binary.LittleEndian, uint32(len(text)+1))
	list.Write(value)
	return list.Bytes()
}

// wavChunk is a small part of a WAV file that comes before its samples.
type wavChunk struct {
	name    string
	content []byte
}

// writeWAV makes dst, which must not exist. It fails with errNotPlainWAV for more than four gigabytes.
func writeWAV(dst string, chunks []wavChunk, samples io.Reader, size int64) error {
	var head bytes.Buffer
	chunk := func(name string, length int64, content []byte) {
		head.WriteString(name)
		_ = binary.Write(&head, binary.LittleEndian, uint32(length))
		head.Write(content)
		if len(content)%2 == 1 {
			head.WriteByte(0)
		}
	}
	for _, c := range chunks {
		chunk(c.name, int64(len(c.content)), c.content)
	}
	chunk("data", size, nil)
	total := int64(len("WAVE")+head.Len()) + size + size%2
	if total > 1<<32-1 {
		return errNotPlainWAV
	}
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	riff := append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(total)), "WAVE"...)
	if _, err := out.Write(append(riff, head.Bytes()...)); err != nil {
		return err
	}
	if _, err := io.CopyN(out, samples, size); err != nil {
		return err
	}
	if _, err := out.Write(make([]byte, size%2)); err != nil {
		return err
	}
	return out.Close()
}
