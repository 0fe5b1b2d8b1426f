package jobs

// warmModels are the models that are loaded, while a forecast goes through the queue: a job whose model is among them
// does not pay for loading it.
type warmModels map[string]bool

// SetLoaded sets the function that returns the models loaded on this node, as "engine/model".
func (s *Service) SetLoaded(loaded func() []string) {
	s.hooks.Lock()
	defer s.hooks.Unlock()
	s.loaded = loaded
}

func (s *Service) loadedModels() warmModels {
	s.hooks.RLock()
	loaded := s.loaded
	s.hooks.RUnlock()
	models := warmModels{}
	if loaded != nil {
		for _, model := range loaded() {
			models[model] = true
		}
	}
	return models
}

func (a *unfinishedJob) modelKey() string { return a.Engine + "/" + a.Model }

// cost is how long the job waits for its model.
func (w warmModels) cost(a *unfinishedJob) float64 {
	if w[a.modelKey()] {
		return 0
	}
	return a.load
}

// ran notes that the job's model is loaded now. A card holds one model at a time, so the earlier one is gone.
func (w warmModels) ran(a *unfinishedJob) {
	if a.UsesGPU {
		clear(w)
	}
	w[a.modelKey()] = true
}

// loadCost is the usual time of loading, among the runs that had to.
func loadCost(runs []run) float64 {
	var loads []float64
	for _, r := range runs {
		if r.Load > 0 {
			loads = append(loads, r.Load)
		}
	}
	if len(loads) == 0 {
		return 0
	}
	return median(loads)
}
