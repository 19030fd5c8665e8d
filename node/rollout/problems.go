package rollout

import (
	"errors"
	"path/filepath"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/configs"
)

// maxProblems bounds what an answer has of them.
const maxProblems = 1000

// invalid is the answer to a bundle that no node could run: what is wrong, each with its place.
func (c *Configurator) invalid(err error) error {
	answer := api.Invalid(err)
	list, ok := errors.AsType[*configs.Errors](err)
	if e, isError := answer.(*api.Error); ok && isError {
		for _, p := range list.List[:min(len(list.List), maxProblems)] {
			e.Problems = append(e.Problems, c.problem(p))
		}
	}
	return answer
}

// problem names the file as the bundle has it: where it would lie on this node is nothing to whoever has sent it.
func (c *Configurator) problem(e configs.Error) api.Problem {
	if rel, err := filepath.Rel(filepath.Dir(c.File), e.File); err == nil {
		e.File = filepath.ToSlash(rel)
	}
	if e.File == filepath.Base(c.File) {
		e.File = "station.yaml"
	}
	return api.Problem(e)
}
