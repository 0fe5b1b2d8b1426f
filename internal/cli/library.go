package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// The commands that look after what exists: projects, assets, keys. Those of voices are in voices.go.

func jsonBody(fields map[string]any) io.Reader {
	encoded, err := json.Marshal(fields)
	if err != nil {
		panic(err) // strings and lists of strings always encode
	}
	return strings.NewReader(string(encoded))
}

const applicationJSON = "application/json"

// withStudio runs a command's work against the studio.
func withStudio(
	e *environment,
	run func(cmd *cobra.Command, s *studio, args []string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := e.connect()
		if err != nil {
			return err
		}
		return run(cmd, s, args)
	}
}

// done reports a call that answers nothing worth showing.
func (e *environment) done(s *studio, response *http.Response, err error) error {
	if err := s.do(response, err, nil); err != nil {
		return err
	}
	if !e.json {
		fmt.Fprintln(e.stderr, s.word(states, "completed"))
	}
	return nil
}

func projectsCommand(e *environment) *cobra.Command {
	type project struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		CreatedAt string `json:"created_at"`
	}
	listing := withStudio(e, func(cmd *cobra.Command, s *studio, _ []string) error {
		response, err := s.client.ListProjects(cmd.Context(), nil)
		return list(
			e,
			s.answer(response, err),
			e.text("ID\tNAME\tTYPE\tSTATUS\tCREATED"),
			func(w io.Writer, p project) {
				fmt.Fprintf(
					w,
					"%s\t%s\t%s\t%s\t%s\n",
					p.ID,
					p.Name,
					p.Type,
					s.word(states, p.Status),
					localTime(p.CreatedAt),
				)
			},
		)
	})
	var kind string
	create := &cobra.Command{Use: "create " + e.text("NAME"), Short: e.text("Create a project"), Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			var made struct {
				ID string `json:"id"`
			}
			name, err := inUTF8(e.text("NAME"), args[0])
			if err != nil {
				return err
			}
			response, err := s.client.CreateProjectWithBody(
				cmd.Context(),
				nil,
				applicationJSON,
				jsonBody(map[string]any{"name": name, "type": kind}),
			)
			if err := s.do(response, err, &made); err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.stdout, made.ID)
			return err
		})}
	create.Flags().StringVar(&kind, "type", "mixed", e.text("audio, image, video or mixed"))
	cmd := &cobra.Command{Use: "projects", Short: e.text("List and create projects"), Args: noArguments, RunE: listing}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: e.text("List projects"), Args: noArguments, RunE: listing},
		create,
	)
	return cmd
}

func assetsCommand(e *environment) *cobra.Command {
	type asset struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Name      string `json:"filename"`
		Size      int64  `json:"size_bytes"`
		CreatedAt string `json:"created_at"`
	}
	listing := withStudio(e, func(cmd *cobra.Command, s *studio, _ []string) error {
		response, err := s.client.ListAssets(cmd.Context(), nil)
		return list(e, s.answer(response, err), e.text("ID\tTYPE\tNAME\tBYTES\tCREATED"), func(w io.Writer, a asset) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", a.ID, a.Type, a.Name, a.Size, localTime(a.CreatedAt))
		})
	})
	upload := &cobra.Command{Use: "upload " + e.text("FILE"), Short: e.text("Upload a file"), Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			r := newRequest()
			r.files["file"] = args[0]
			contentType, body, err := r.body()
			if err != nil {
				return err
			}
			defer body.Close()
			var made asset
			response, err := s.client.UploadAssetWithBody(cmd.Context(), nil, contentType, body)
			if err := s.do(response, err, &made); err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.stdout, made.ID)
			return err
		})}
	var output string
	download := &cobra.Command{Use: "download ID", Short: e.text("Download a file"), Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			if output == "-" {
				return s.download(cmd.Context(), s.file(args[0]), e.stdout)
			}
			return s.downloadFile(cmd.Context(), s.file(args[0]), output)
		})}
	download.Flags().StringVarP(&output, "output", "o", "", e.text("the file, or - for standard output (required)"))
	_ = download.MarkFlagRequired("output")
	remove := &cobra.Command{Use: "delete ID", Short: e.text("Delete a file"), Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			response, err := s.client.DeleteAsset(cmd.Context(), args[0])
			return e.done(s, response, err)
		})}
	cmd := &cobra.Command{
		Use:   "assets",
		Short: e.text("List, upload, download and delete files"),
		Args:  noArguments,
		RunE:  listing,
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: e.text("List files"), Args: noArguments, RunE: listing},
		upload,
		download,
		remove,
	)
	return cmd
}

func keysCommand(e *environment) *cobra.Command {
	type key struct {
		ID        string   `json:"id"`
		Name      string   `json:"name"`
		Prefix    string   `json:"prefix"`
		Scopes    []string `json:"scopes"`
		ExpiresAt *string  `json:"expires_at"`
		Key       string   `json:"key"`
	}
	listing := withStudio(e, func(cmd *cobra.Command, s *studio, _ []string) error {
		response, err := s.client.ListKeys(cmd.Context())
		return list(
			e,
			s.answer(response, err),
			e.text("ID\tNAME\tSTARTS WITH\tSCOPES\tEXPIRES"),
			func(w io.Writer, k key) {
				expires := "-"
				if k.ExpiresAt != nil {
					expires = localTime(*k.ExpiresAt)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Prefix, strings.Join(k.Scopes, ","), expires)
			},
		)
	})
	var scopes []string
	create := &cobra.Command{
		Use:   "create " + e.text("NAME"),
		Short: e.text("Create an API key and print it"),
		Args:  arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			var made key
			name, err := inUTF8(e.text("NAME"), args[0])
			if err != nil {
				return err
			}
			response, err := s.client.CreateKeyWithBody(
				cmd.Context(),
				nil,
				applicationJSON,
				jsonBody(map[string]any{"name": name, "scopes": scopes}),
			)
			if err := s.do(response, err, &made); err != nil {
				return err
			}
			fmt.Fprintln(e.stderr, s.text("keep this key: it is shown only now"))
			_, err = fmt.Fprintln(e.stdout, made.Key)
			return err
		}),
	}
	create.Flags().StringSliceVar(&scopes, "scopes", []string{"read", "generate"}, e.text("read, generate, admin"))
	revoke := &cobra.Command{Use: "revoke ID", Short: e.text("Revoke an API key"), Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			response, err := s.client.RevokeKey(cmd.Context(), args[0])
			return e.done(s, response, err)
		})}
	cmd := &cobra.Command{
		Use:   "keys",
		Short: e.text("List, create and revoke API keys"),
		Args:  noArguments,
		RunE:  listing,
	}
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: e.text("List API keys"), Args: noArguments, RunE: listing},
		create,
		revoke,
	)
	return cmd
}

func sessionsCommand(e *environment) *cobra.Command {
	type session struct {
		ID        string  `json:"id"`
		UserAgent *string `json:"user_agent"`
		CreatedAt string  `json:"created_at"`
		ExpiresAt string  `json:"expires_at"`
	}
	listing := withStudio(e, func(cmd *cobra.Command, s *studio, _ []string) error {
		response, err := s.client.ListSessions(cmd.Context())
		return list(
			e,
			s.answer(response, err),
			e.text("ID\tSIGNED IN\tEXPIRES\tBROWSER"),
			func(w io.Writer, o session) {
				browser := "-"
				if o.UserAgent != nil {
					browser = *o.UserAgent
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.ID, localTime(o.CreatedAt), localTime(o.ExpiresAt), browser)
			},
		)
	})
	end := &cobra.Command{Use: "end ID", Short: e.text("Sign a browser out"), Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			response, err := s.client.EndSession(cmd.Context(), args[0])
			return e.done(s, response, err)
		})}
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: e.text("List the browsers that are signed in, and sign them out"),
		Args:  noArguments,
		RunE:  listing,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "list",
			Short: e.text("List the browsers that are signed in"),
			Args:  noArguments,
			RunE:  listing,
		},
		end,
	)
	return cmd
}

func openCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "open",
		Short: e.text("Print a one-time link that signs a browser in"),
		Args:  noArguments,
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, _ []string) error {
			link, err := s.oneTimeLink(cmd)
			if err != nil {
				return err
			}
			if !e.quiet {
				fmt.Fprintln(e.stderr, s.text(openLink))
			}
			_, err = fmt.Fprintln(e.stdout, link)
			return err
		}),
	}
}

func (s *studio) oneTimeLink(cmd *cobra.Command) (string, error) {
	var made struct {
		URL string `json:"url"`
	}
	response, err := s.client.CreateLoginLink(cmd.Context())
	if err := s.do(response, err, &made); err != nil {
		return "", err
	}
	return made.URL, nil
}
