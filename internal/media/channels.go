package media

import (
	"regexp"
	"strings"
)

var (
	layoutWord  = regexp.MustCompile(`\d+ Hz, ([^,\n]+)`)
	countedWord = regexp.MustCompile(`^(\d+) channels`)
	dottedWord  = regexp.MustCompile(`^(\d+)\.(\d+)(?:\.(\d+))?(?:\(|$)`)
	soundField  = regexp.MustCompile(`^ambisonic (\d+)`)
)

// namedLayouts are ffmpeg's layouts whose names do not hold their number of channels (`ffmpeg -layouts`).
var namedLayouts = map[string]int{"mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4,
	"hexagonal": 6, "octagonal": 8, "cube": 8, "hexadecagonal": 16}

// channels reads the number of channels out of ffmpeg's line of an audio stream: the word after the sample rate.
func channels(text string) int {
	m := layoutWord.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	layout := strings.TrimSpace(m[1])
	name, _, _ := strings.Cut(layout, "(")
	if n, ok := namedLayouts[name]; ok {
		return n
	}
	if m := countedWord.FindStringSubmatch(layout); m != nil {
		return atoi(m[1])
	}
	if m := dottedWord.FindStringSubmatch(layout); m != nil { // 7.1.4: around, low, above
		return atoi(m[1]) + atoi(m[2]) + atoi(m[3])
	}
	if m := soundField.FindStringSubmatch(layout); m != nil {
		order := atoi(m[1])
		return (order + 1) * (order + 1)
	}
	return 0
}
