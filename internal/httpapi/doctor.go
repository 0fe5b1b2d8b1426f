package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/doctor"
)

// DoctorReport lists the doctor's findings on this computer.
type DoctorReport struct {
	OK     bool          `json:"ok" doc:"False when the studio cannot work like this"`
	Checks []DoctorCheck `json:"checks" doc:"In the order in which they should be read"`
}

// DoctorCheck is one finding.
type DoctorCheck struct {
	ID      string `json:"id" doc:"Stable, as in memory or gpu.render_node"`
	OK      bool   `json:"ok" doc:"Nothing has to be done"`
	Level   string `json:"level" enum:"ok,warning,error"`
	Message Texts  `json:"message"`
	Fix     Texts  `json:"fix" doc:"What to do; empty when there is nothing"`
}

// registerDoctor is for administrators: the report names programs and devices of the computer.
func (s *Server) registerDoctor() {
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-doctor",
			Method:      http.MethodGet,
			Path:        "/api/v1/doctor",
			Summary:     "Check this computer and say what to do",
			Tags:        []string{"doctor"},
			Errors:      []int{401, 403},
		},
		as(s, func(ctx context.Context, _ auth.Principal, _ *struct{}) (*struct{ Body DoctorReport }, error) {
			return &struct{ Body DoctorReport }{doctorView(s.cfg.Doctor(ctx))}, nil
		}),
	)
}

func doctorView(report doctor.Report) DoctorReport {
	view := DoctorReport{OK: report.OK, Checks: []DoctorCheck{}}
	for _, c := range report.Checks {
		view.Checks = append(view.Checks,
			DoctorCheck{ID: c.ID, OK: c.OK, Level: string(c.Level), Message: texts(c.Message), Fix: texts(c.Fix)})
	}
	return view
}
