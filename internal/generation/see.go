package generation

import "github.com/apibr/studio/internal/i18n"

// The places that sentences point at, as each transport names them.
var (
	seeVoices   = i18n.See{Route: "GET /api/v1/audio/voices", Command: "apibr voices"}
	sayText     = i18n.See{Route: "script", Command: "--script"}
	sayAudio    = i18n.See{Route: "audio", Command: "--audio"}
	sayVoice    = i18n.See{Route: "voice_id", Command: "--voice"}
	seeProjects = i18n.See{Route: "GET /api/v1/studio/projects", Command: "apibr projects"}
	seeJobs     = i18n.See{Route: "GET /api/v1/jobs", Command: "apibr jobs list"}
	seeFiles    = i18n.See{Route: "GET /api/v1/assets", Command: "apibr assets list"}
	seeEngines  = i18n.See{Route: "GET /api/v1/engines", Command: "apibr models list"}
	seeUpload   = i18n.See{Route: "POST /api/v1/assets", Command: "apibr assets upload"}
)
