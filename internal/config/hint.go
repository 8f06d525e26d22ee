package config

import "slices"

// hint returns "; did you mean X?" where one of the names is near to name, else nothing.
func hint(prefix, name string, names []string) string {
	slices.Sort(names) // of equally near names always the same one
	best, least := "", len(name)/3+1
	for _, candidate := range names {
		if d := distance(name, candidate); d <= least && d < len(candidate) {
			if best == "" || d < least {
				best, least = candidate, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + prefix + best + "?"
}

// distance is how many bytes have to be inserted, deleted or replaced to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
