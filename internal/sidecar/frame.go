package sidecar

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/apibr/studio/internal/i18n"
)

// maxFrame is the longest line of the protocol, newline included.
const maxFrame = 1 << 20

// frame is one received line. bad says why the line is not a frame.
type frame struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *frameError     `json:"error"`

	bad i18n.Sentence
}

func (f frame) answers(id int64) bool { return string(f.ID) == strconv.FormatInt(id, 10) }
func (f frame) hasID() bool           { return len(f.ID) > 0 && string(f.ID) != "null" }

// readFrames hands every line of r to take until r ends. A line that is too long is thrown away while it is read, so
// that a program cannot make the server hold it.
func readFrames(r io.Reader, take func(frame)) {
	reader := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	tooLong := false
	for {
		part, err := reader.ReadSlice('\n')
		if tooLong || len(line)+len(part) > maxFrame {
			tooLong, line = true, nil
		} else {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			// Half a line at the end belongs to a process that is ending; its exit tells more than the fragment.
			return
		case tooLong:
			take(frame{bad: i18n.Say("the process sent a frame of more than 1 MiB")})
		case len(bytes.TrimSpace(line)) > 0:
			take(parseFrame(line))
		}
		line, tooLong = line[:0], false
	}
}

func parseFrame(line []byte) frame {
	var f frame
	if err := json.Unmarshal(line, &f); err != nil {
		return frame{bad: i18n.Say("the process sent a line that is not a JSON-RPC message")}
	}
	if f.Method == "" && !f.hasID() {
		return frame{bad: i18n.Say("the process sent a message with neither method nor id")}
	}
	if f.Method == "" && (f.Error == nil) == (len(f.Result) == 0) {
		return frame{bad: i18n.Say("the process sent an answer with neither or both of result and error")}
	}
	return f
}

var errFrameTooLong = errors.New("sidecar: the message is longer than 1 MiB")

// encodeFrame writes one message as a line. id 0 makes it a notification.
func encodeFrame(id int64, method string, params any) ([]byte, error) {
	message := struct {
		Version string `json:"jsonrpc"`
		ID      int64  `json:"id,omitempty"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
	}{"2.0", id, method, params}
	return encodeLine(message)
}

// encodeNoSuchMethod answers a request that this protocol does not have.
func encodeNoSuchMethod(id json.RawMessage, method string) ([]byte, error) {
	type failure struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	return encodeLine(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   failure         `json:"error"`
	}{"2.0", id, failure{-32601, fmt.Sprintf("method %.100q is not known", method)}})
}

func encodeLine(message any) ([]byte, error) {
	line, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("sidecar: encode a frame: %w", err)
	}
	if len(line)+1 > maxFrame {
		return nil, errFrameTooLong
	}
	return append(line, '\n'), nil
}
