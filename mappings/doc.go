// Package mappings judges evidence against controls.
//
// A [Catalog] holds controls, each with the article it comes from, and tests.
// A test looks at the items of one view (changes, deployments, certificates,
// ...), picks its population with a CEL expression and asserts another one of
// every item. [Assess] builds the views of one tenant's log over a period,
// runs the tests and returns a finding for every test of every control, with
// one of the seven statuses, decided in the order of docs/assessment.md.
//
// The package promises that a wrong verdict needs wrong evidence: an
// expression that fails on an item leaves the item undetermined, a field that
// the evidence does not give is missing and not false, and no test over a
// window that nobody saw is satisfied. It decides nothing about the law:
// findings say what the evidence supports, never that somebody complies.
//
// The format of catalog files is in docs/catalog.md. The package reads logs
// through [evidence.Reader] alone and knows neither stores nor collectors.
package mappings
