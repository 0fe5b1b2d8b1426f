package models

import (
	"bufio"
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files of testdata/torch were written by torch.save: weights in the zip format and the one before it, in protocol
// 2 and 4, and objects whose __reduce__ calls os.system.
func TestFilesOfWeightsAreTakenAndOthersAreNot(t *testing.T) {
	for name, named := range map[string]string{
		"weights.pt": "", "weights_old.pth": "", "weights_protocol4.pt": "", "weights_old_protocol4.pth": "",
		"runs.pt": "posix.system", "runs_protocol4.pt": "posix.system",
		"runs_old.pth": "posix.system", "runs_raw0.pth": "posix.system", "runs_raw5.pth": "posix.system",
		"script.pt": "program",
	} {
		t.Run(name, func(t *testing.T) {
			err := checkTorch(filepath.Join("testdata", "torch", name), "model/"+name)
			if named == "" {
				require.NoError(t, err)
				return
			}
			var input *InputError
			require.ErrorAs(t, err, &input)
			require.Contains(t, input.Detail.String(), "model/"+name)
			require.Contains(t, input.Detail.String(), named)
		})
	}
}

func TestAPickleThatHidesItsNamesIsRefused(t *testing.T) {
	text := func(s string) string { return "\x8c" + string(rune(len(s))) + s }
	harmless := text("collections") + text("OrderedDict")
	for name, pickle := range map[string]string{
		"popped":                     "\x80\x04" + text("os") + text("system") + harmless + "00\x93.",
		"popped to a mark":           "\x80\x04" + text("os") + text("system") + "(" + harmless + "1\x93.",
		"kept under another's place": "\x80\x04" + text("os") + text("system") + "}" + harmless + "s\x94\x93.",
		"from an unknown memo":       "\x80\x04" + "h\x05h\x06\x93.",
		"kept late": "\x80\x04" + text("os") + text("collections") +
			"\x86\x94h\x00" + text("OrderedDict") + "\x93.",
		"an instance":              "(ios\nsystem\n.",
		"an extension":             "\x80\x02\x82\x01.",
		"no end":                   "\x80\x02}",
		"a length beyond the file": "\x80\x02X\xff\xff\x00\x00a",
		"a length beyond all":      "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffa",
	} {
		require.Error(t, names(bufio.NewReader(bytes.NewReader([]byte(pickle)))), name)
	}
	require.NoError(t, names(bufio.NewReader(bytes.NewReader([]byte("\x80\x04"+harmless+"\x93)R.")))))
	require.NoError(
		t,
		names(
			bufio.NewReader(
				bytes.NewReader(
					[]byte("\x80\x04"+text("collections")+"\x94"+text("OrderedDict")+"\x94h\x00h\x01\x93)R."),
				),
			),
		),
	)
}
