package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/apibr/studio/internal/i18n"
)

// Models of the user's own come from YAML files (config models.extra): fine-tunes, which are models like those of a
// manifest, and LoRAs, which are a file beside the files of an installed model.

const (
	maxExtra = 1 << 20 // bytes of one file
	// maxStrength of a LoRA, either way.
	maxStrength = 10
	// maxHeader of a safetensors file, as its own library has it.
	maxHeader = 100 << 20
)

// Adapter is a LoRA.
type Adapter struct {
	File     string // File is its path, absolute.
	Strength float64
}

// extraFile is a file of models.extra.
type extraFile struct {
	Models []yaml.Node `yaml:"models"`
}

type extraModel struct {
	Engine ID `yaml:"engine"`
	Model  `   yaml:",inline"`
}

type extraLoRA struct {
	ID          string    `yaml:"id"`
	Name        string    `yaml:"name"`
	Description i18n.Text `yaml:"description"`
	Licence     Licence   `yaml:"licence"`
	LoRA        struct {
		File     string   `yaml:"file"`
		Model    string   `yaml:"model"`
		Strength *float64 `yaml:"strength"`
	} `yaml:"lora"`
}

// AddExtra takes in the user's own models: those of a YAML file, or of each YAML file of a folder. "" is none. Call it
// after Load and before the catalogue is used. It fails with the file, the model and what is wrong with it.
func (c *Catalogue) AddExtra(path string) error {
	if path == "" {
		return nil
	}
	files := []string{path}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("models.extra: %s is not there", filepath.Base(path))
	}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("models.extra: %s cannot be read", filepath.Base(path))
		}
		files = nil
		for _, entry := range entries {
			if extension := filepath.Ext(entry.Name()); extension == ".yaml" || extension == ".yml" {
				files = append(files, filepath.Join(path, entry.Name()))
			}
		}
	}
	for _, file := range files {
		if err := c.addExtraFile(file); err != nil {
			return fmt.Errorf("models.extra: %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func (c *Catalogue) addExtraFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return errors.New("it cannot be read")
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxExtra+1))
	if err != nil || len(content) > maxExtra {
		return errors.New("it cannot be read, or is larger than 1 MB")
	}
	var list extraFile
	if err := strict(content, &list); err != nil {
		return err
	}
	for i := range list.Models {
		if err := c.addExtra(&list.Models[i], filepath.Dir(file)); err != nil {
			return err
		}
	}
	return nil
}

// addExtra adds one entry; it is a LoRA when its key lora holds one.
func (c *Catalogue) addExtra(node *yaml.Node, dir string) error {
	var err error
	if isLoRA(node) {
		var lora extraLoRA
		if err := strictNode(node, &lora); err != nil {
			return err // with its line
		}
		err = c.addLoRA(&lora, dir)
	} else {
		var model extraModel
		if err := strictNode(node, &model); err != nil {
			return err
		}
		err = c.addFineTune(&model)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	return nil
}

func isLoRA(node *yaml.Node) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "lora" && node.Content[i+1].Kind == yaml.MappingNode {
			return true
		}
	}
	return false
}

func (c *Catalogue) addFineTune(extra *extraModel) error {
	manifest, ok := c.Get(extra.Engine)
	if !ok {
		return fmt.Errorf("model %s: there is no engine %q; the engines are %s", extra.ID, extra.Engine, c.engineIDs())
	}
	model := extra.Model
	if model.Default {
		return fmt.Errorf("model %s: a model of one's own cannot be the default; name it in the request", model.ID)
	}
	if !model.NeedsFiles() {
		return fmt.Errorf("model %s: it has no parts and no variants", model.ID)
	}
	if model.Like != "" {
		like, ok := manifest.Model(model.Like)
		if !ok {
			return fmt.Errorf(
				"model %s: the engine %[3]s has no model %[2]q, which like names",
				model.ID, model.Like, manifest.ID,
			)
		}
		model.inherit(like)
	}
	return c.addModel(manifest, model)
}

// inherit takes what the model does not say itself from the one that it is a fine-tune of.
func (m *Model) inherit(like *Model) {
	if len(m.Tasks) == 0 {
		m.Tasks = slices.Clone(like.Tasks)
	}
	if len(m.With) == 0 {
		m.With = maps.Clone(like.With)
	}
	if len(m.Needs) == 0 {
		m.Needs = maps.Clone(like.Needs)
	}
	if len(m.Languages) == 0 {
		m.Languages = slices.Clone(like.Languages)
	}
	if len(m.Borrows) == 0 {
		m.Borrows = slices.Clone(like.Borrows)
	}
	if m.Licence == (Licence{}) {
		m.Licence = like.Licence
	}
	m.LoRA = m.LoRA || like.LoRA
}

func (c *Catalogue) addLoRA(lora *extraLoRA, dir string) error {
	manifest, base, ok := c.Model(lora.LoRA.Model)
	switch {
	case !ok:
		return fmt.Errorf("LoRA %s: there is no model %q", lora.ID, lora.LoRA.Model)
	case !base.LoRA || base.Adapter != nil:
		return fmt.Errorf("LoRA %s: the model %s takes no LoRA", lora.ID, base.ID)
	case lora.LoRA.File == "":
		return fmt.Errorf("LoRA %s: lora.file is missing", lora.ID)
	}
	adapter := &Adapter{File: lora.LoRA.File, Strength: 1}
	if !filepath.IsAbs(adapter.File) {
		adapter.File = filepath.Join(dir, adapter.File)
	}
	if lora.LoRA.Strength != nil {
		adapter.Strength = *lora.LoRA.Strength
	}
	if !(adapter.Strength >= -maxStrength && adapter.Strength <= maxStrength) || adapter.Strength == 0 {
		return fmt.Errorf(
			"LoRA %s: strength is %v; it must be between -%d and %d, and not 0",
			lora.ID,
			adapter.Strength,
			maxStrength,
			maxStrength,
		)
	}
	if err := safetensors(adapter.File); err != nil {
		return fmt.Errorf("LoRA %s: the file %s %w", lora.ID, filepath.Base(adapter.File), err)
	}
	model := Model{
		ID:          lora.ID,
		Name:        lora.Name,
		Description: lora.Description,
		Licence:     lora.Licence,
		Like:        base.ID,
		Gated:       base.Gated,
		Adapter:     adapter,
	}
	model.inherit(base)
	model.LoRA = false
	return c.addModel(manifest, model)
}

// addModel gives the engine the model, with the memory plans of the one that it is like.
func (c *Catalogue) addModel(manifest *Manifest, model Model) error {
	if err := model.check(); err != nil {
		return err
	}
	for _, task := range model.Tasks {
		if _, ok := manifest.Tasks[task]; !ok {
			return fmt.Errorf("model %s does %s, which the engine %s does not", model.ID, task, manifest.ID)
		}
	}
	if _, _, ok := c.Model(model.ID); ok {
		return fmt.Errorf("model %s: there is a model of this id already; choose another", model.ID)
	}
	manifest.Models = append(manifest.Models, model)
	for _, entry := range slices.Clone(manifest.Memory) {
		if model.Like != "" && entry.Model == model.Like {
			entry.Model = model.ID
			manifest.Memory = append(manifest.Memory, entry)
		}
	}
	return nil
}

func (c *Catalogue) engineIDs() string {
	var ids []string
	for _, m := range c.all {
		ids = append(ids, string(m.ID))
	}
	return strings.Join(ids, ", ")
}

// safetensors looks at the head of a file: eight bytes of a length and a JSON object of that length.
func safetensors(file string) error {
	if strings.ToLower(filepath.Ext(file)) != ".safetensors" {
		return errors.New("is not in safetensors, the one format that is taken")
	}
	f, err := os.Open(file)
	if err != nil {
		return errors.New("cannot be opened")
	}
	defer f.Close()
	info, err := f.Stat()
	var head [9]byte
	if err != nil || !info.Mode().IsRegular() {
		return errors.New("is not an ordinary file")
	}
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return errors.New("is damaged")
	}
	if length := binary.LittleEndian.Uint64(head[:8]); length < 2 || length > maxHeader ||
		int64(length) > info.Size()-8 ||
		head[8] != '{' {
		return errors.New("is damaged, or something else in spite of its name")
	}
	return nil
}
