package i18n

import (
	"encoding/json"

	"golang.org/x/text/language"
)

// Reader is for whom a sentence is rendered.
type Reader struct {
	// Language of the text.
	Language language.Tag
	// Door is how the reader reached the studio. The zero value is the API.
	Door Door
}

// Door is a way to the studio. What a sentence points at has another name at each: the API has routes, the command
// line has commands.
type Door string

// The doors.
const (
	API Door = ""
	CLI Door = "cli"
)

// DoorHeader of a request names the Door of its client, so that the answer names what the client's user can do. An
// unknown one is the API.
const DoorHeader = "Apibr-Client"

// See is an argument that names what the reader can look at or do, in the words of the reader's door:
//
//	i18n.Say("there is no voice %q: %s lists the voices", name, i18n.See{"GET /api/v1/audio/voices", "apibr voices"})
//
// It is rendered as GET /api/v1/audio/voices or as `apibr voices`.
type See struct {
	// Route is a method with a path, or a path alone.
	Route string `json:"route"`
	// Command of the command line; "" when it has none for this: its readers get the route.
	Command string `json:"command,omitempty"`
}

// at a door.
func (s See) at(door Door) string {
	if door == CLI && s.Command != "" {
		return "`" + s.Command + "`"
	}
	return s.Route
}

func readSee(raw json.RawMessage) (any, error) {
	var s See
	err := json.Unmarshal(raw, &s)
	return s, err
}
