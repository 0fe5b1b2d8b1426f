package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// defaultPriority is that of a task or model whose manifest says none.
const defaultPriority = 100

func priority(given int) int {
	if given == 0 {
		return defaultPriority
	}
	return given
}

// engines are those of a quality that do the task, in the order of their priority. Planned ones are among them.
func (c *Catalogue) engines(quality, task string) (found []*Manifest) {
	for _, m := range c.known {
		if m.Quality == quality && m.Does(task) {
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(a, b *Manifest) int {
		return cmp.Compare(priority(a.Tasks[task].Priority), priority(b.Tasks[task].Priority))
	})
	return found
}

// candidates are the engines of final quality that may answer a request in any voice, best first: for a model that
// several engines have, the model's own priority comes before that of the task.
func (c *Catalogue) candidates(req Choice) []*Manifest {
	found := slices.DeleteFunc(c.engines(Final, req.Task), req.leftOut)
	if req.Model == "" {
		return found
	}
	found = slices.DeleteFunc(found, func(m *Manifest) bool { return !m.HasModel(req.Model) })
	slices.SortStableFunc(found, func(a, b *Manifest) int {
		return cmp.Compare(a.modelPriority(req.Model), b.modelPriority(req.Model))
	})
	return found
}

func (m *Manifest) modelPriority(id string) int {
	model, ok := m.Model(id)
	if !ok {
		return defaultPriority
	}
	return priority(model.Priority)
}

// checkOrder refuses manifests of which it is not clear which engine comes first, and references to engines that there
// are not.
func (c *Catalogue) checkOrder() error {
	for i, m := range c.known {
		for _, id := range m.VoicesFrom {
			if _, ok := c.byID[id]; !ok {
				return fmt.Errorf(
					"engine %s: voices_from names %s, which is not an engine: correct %s",
					m.ID,
					id,
					m.shortFile(),
				)
			}
		}
		if err := c.checkBorrowed(m); err != nil {
			return err
		}
		for _, other := range c.known[i+1:] {
			if err := distinct(m, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkBorrowed refuses a model that borrows from one that does not exist, or from itself.
func (c *Catalogue) checkBorrowed(m *Manifest) error {
	for i := range m.Models {
		for _, id := range m.Models[i].Borrows {
			if id == m.Models[i].ID {
				return fmt.Errorf("engine %s: the model %s borrows itself: correct %s", m.ID, id, m.shortFile())
			}
			if _, _, ok := c.Model(id); !ok {
				return fmt.Errorf("engine %s: the model %s borrows %s, which is not a model: correct %s",
					m.ID, m.Models[i].ID, id, m.shortFile())
			}
		}
	}
	return nil
}

// distinct compares the priorities of two engines of one quality.
func distinct(a, b *Manifest) error {
	if a.Quality != b.Quality {
		return nil
	}
	for _, task := range sortedKeys(a.Tasks) {
		other, ok := b.Tasks[task]
		if own := priority(a.Tasks[task].Priority); ok && own == priority(other.Priority) {
			return fmt.Errorf("the engines %s and %s both have priority %d for %s: give one of them another, as "+
				"tasks.%s.priority in %s or %s", a.ID, b.ID, own, task, task, a.shortFile(), b.shortFile())
		}
	}
	if a.Quality != Final {
		return nil // of drafts only the first does a task
	}
	for _, model := range a.Models {
		own := priority(model.Priority)
		if b.HasModel(model.ID) && own == b.modelPriority(model.ID) {
			return fmt.Errorf(
				"the engines %s and %s both have priority %d for the model %s: give one of them another, "+
					"as priority of the model in %s or %s",
				a.ID,
				b.ID,
				own,
				model.ID,
				a.shortFile(),
				b.shortFile(),
			)
		}
	}
	return nil
}

// shortFile is the manifest's name for people: its folder and its own.
func (m *Manifest) shortFile() string { return shortName(m.file) }

func shortName(file string) string {
	parts := strings.Split(strings.ReplaceAll(file, `\`, "/"), "/")
	if last := len(parts) - 1; last > 0 && parts[last] == manifestName {
		return parts[last-1] + "/" + parts[last]
	}
	return parts[len(parts)-1]
}
