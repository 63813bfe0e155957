package evidence

// RefSchemes is the table of schemes with the meaning of each name part.
var RefSchemes = schemes
