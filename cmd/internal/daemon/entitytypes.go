package daemon

import (
	"slices"
	"strings"

	"evidenced/cmd/internal/config"
	"evidenced/evidence/problem"
	"evidenced/mappings"
)

// CheckEntityTypes holds what the tenants and the platform are said to be
// against the words that the catalog knows: one mistyped would put duties aside
// unnoticed. The error is a problem of the configuration.
func CheckEntityTypes(c *config.Config, cat *mappings.Catalog) error {
	known := cat.Sorts()
	check := func(who string, words []string) error {
		for _, w := range words {
			if !slices.Contains(known, w) {
				return problem.New(problem.Config, "%s: entity_types: no control of the catalog binds %q", who, w).
					WithHint("use %s; own catalogs may name others", strings.Join(known, ", "))
			}
		}
		return nil
	}
	for _, t := range c.Tenants {
		if err := check("tenant "+t.Name.String(), t.EntityTypes); err != nil {
			return err
		}
	}
	return check("platform", c.Platform.EntityTypes)
}
