package mappings

import "container/heap"

// between lists the commits that reach back from head and not from base, head
// among them, children before parents. It walks both histories together,
// newest first, and stops when only base's is left.
func (x *changeIndex) between(head, base int) []int {
	const fromHead, fromBase = 1, 2
	mark := map[int]int{}
	q := &byOrder{x: x}
	add := func(i, m int) {
		if mark[i]&m == m {
			return
		}
		if mark[i] == 0 {
			heap.Push(q, i)
		}
		mark[i] |= m
	}
	add(head, fromHead)
	add(base, fromBase)
	open := 1 // queued commits that base does not reach, as far as known
	if head == base {
		open = 0
	}
	var out []int
	for open > 0 && q.Len() > 0 {
		i := heap.Pop(q).(int)
		m := mark[i]
		if m == fromHead {
			out = append(out, i)
			open--
		}
		for _, p := range x.commits[i].parents {
			before := mark[int(p)]
			add(int(p), m)
			switch after := mark[int(p)]; {
			case before == 0 && after == fromHead:
				open++
			case before == fromHead && after != fromHead:
				open--
			}
		}
	}
	return out
}

// byOrder is a heap of commits, newest first.
type byOrder struct {
	x   *changeIndex
	ids []int
}

func (q *byOrder) Len() int { return len(q.ids) }
func (q *byOrder) Less(i, j int) bool {
	return q.x.commits[q.ids[i]].order > q.x.commits[q.ids[j]].order
}
func (q *byOrder) Swap(i, j int) { q.ids[i], q.ids[j] = q.ids[j], q.ids[i] }
func (q *byOrder) Push(v any)    { q.ids = append(q.ids, v.(int)) }
func (q *byOrder) Pop() any {
	n := len(q.ids) - 1
	v := q.ids[n]
	q.ids = q.ids[:n]
	return v
}
