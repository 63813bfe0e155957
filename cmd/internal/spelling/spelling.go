// Package spelling finds what somebody may have meant.
package spelling

import "strings"

// Nearest returns the known word that is most like w, or "" when none is
// near. Words of more than 64 bytes are near to none.
func Nearest(w string, known []string) string {
	best, bestAt := "", len(w)/3+2
	for _, k := range known {
		d := distance(strings.ToLower(w), k)
		if strings.HasPrefix(k, w) && len(w) >= 3 {
			d = 1
		}
		if d < bestAt || d == bestAt && len(k) < len(best) {
			best, bestAt = k, d
		}
	}
	return best
}

// distance is the number of single-letter changes and swaps of neighbours
// between two words (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 1 << 20
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
