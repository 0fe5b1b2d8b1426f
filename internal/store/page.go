package store

import (
	"fmt"
	"strings"
)

// PageSQL builds the statement that reads one page of a list, newest first by (created_at, id), from a table with an
// index for each of its branches.
//
// A branch is a condition that an index answers in the order of the list, such as "owner_id = $1 and status =
// 'failed'". The page of all branches together is merged from their heads, so that it reads about as many rows as it
// returns, however rare they are among those of the owner. A filter of several words ("failed or canceled, speech or
// pictures") is one branch for each combination.
//
// after names the parameters of the last row of the page before, such as "($2, $3)".
func PageSQL(table, after string, branches []string, limit int) string {
	const order = "order by created_at desc, id desc"
	heads := make([]string, len(branches))
	for i, branch := range branches {
		heads[i] = fmt.Sprintf("(select * from %s where %s and (created_at, id) < %s %s limit %d)",
			table, branch, after, order, limit)
	}
	return fmt.Sprintf("select * from (%s) heads %s limit %d", strings.Join(heads, " union all "), order, limit)
}

// Branches are all combinations of the words of several columns, as conditions after their common part. A column
// without words is left out.
func Branches(common string, columns ...Column) []string {
	branches := []string{common}
	for _, c := range columns {
		if len(c.Words) == 0 {
			continue
		}
		var longer []string
		seen := map[string]bool{}
		for _, word := range c.Words {
			if seen[word] {
				continue
			}
			seen[word] = true
			for _, branch := range branches {
				longer = append(longer, branch+" and "+c.Name+" = '"+strings.ReplaceAll(word, "'", "''")+"'")
			}
		}
		branches = longer
	}
	return branches
}

// Column of a filter and the words that it may have. The words are of fixed lists, since each list of them is a
// statement of its own.
type Column struct {
	Name  string
	Words []string
}
