/*
 * Splits by absolute error: the sum of w |y - m| over the rows of each side, m the side's weighted median.
 *
 * The rows of a node are ranked by target once.  For each column they then enter, bin after bin, a tree of partial
 * sums over the ranks (Fenwick, 1994), which tells the median and the error of what has entered in logarithmic
 * time; once from the left and once from the right.  The search is exact, in O(n log n) a column.
 * Categories: the levels are cut in two in the order of their means, which is no proof of the best subset.
 */
#include <stdlib.h>
#include <string.h>

#include "learn/cart.h"

#define NO_SPLIT INT64_MAX

/* ---- ranks ---- */

/* Sort keys by their upper half (radix 256), unless the call is to stop; returns where the result is. */
static uint64_t *
sort_keys(CartWorker *worker, uint64_t *from, uint64_t *to, size_t n)
{
	for (int shift = 32; shift < 64 && !worker->stopped; shift += 8)
	{
		size_t		counts[256] = {0};
		size_t		place = 0;
		uint64_t   *swap = from;

		cart_visit(worker, n);
		for (size_t i = 0; i < n; i++)
			counts[from[i] >> shift & 255]++;
		if (counts[from[0] >> shift & 255] == n)
			continue;
		for (int digit = 0; digit < 256; digit++)
		{
			size_t		count = counts[digit];

			counts[digit] = place;
			place += count;
		}
		for (size_t i = 0; i < n; i++)
			to[counts[from[i] >> shift & 255]++] = from[i];
		from = to;
		to = swap;
	}
	return from;
}

/* The same for few. */
static uint64_t *
sort_few(uint64_t *keys, size_t n)
{
	for (size_t i = 1; i < n; i++)
	{
		uint64_t	key = keys[i];
		size_t		at = i;

		for (; at > 0 && keys[at - 1] > key; at--)
			keys[at] = keys[at - 1];
		keys[at] = key;
	}
	return keys;
}

double
cart_absolute_rank(CartWorker *worker, const CartItem *items, size_t n, int64_t *error)
{
	uint64_t   *keys = worker->keys;
	int64_t		all = 0;
	int64_t		w = 0;
	size_t		middle = 0;
	bool		between;

	for (size_t i = 0; i < n; i++)
	{
		keys[i] = (uint64_t) items[i].g << 32 | i;
		all += items[i].w;
	}
	keys = n <= 32 ? sort_few(keys, n) : sort_keys(worker, keys, keys + n, n);
	cart_visit(worker, n);
	for (size_t i = 0; i < n; i++)
	{
		worker->rank[(uint32_t) keys[i]] = (uint32_t) i;
		worker->values[i] = worker->rows->ranked[keys[i] >> 32];
	}
	cart_visit(worker, n);
	for (w = items[(uint32_t) keys[0]].w; 2 * w < all; w += items[(uint32_t) keys[middle]].w)
		middle++;
	cart_visit(worker, n);
	*error = 0;
	for (size_t i = 0; i < n; i++)
		*error += items[(uint32_t) keys[i]].w * llabs(worker->values[i] - worker->values[middle]);
	/* half the weight on each side: between the two in the middle */
	between = 2 * w == all && middle + 1 < n;
	return ((double) worker->values[middle] + (double) worker->values[middle + between]) / 2;
}

/* ---- what has entered ---- */

typedef struct Entered
{
	const CartWorker *worker;
	CartSum    *tree;
	const uint32_t *items;		/* in the order of bins */
	size_t		n;				/* ranks */
	size_t		top;			/* the largest power of two that is not above n */
	CartSum		sum;
} Entered;

static void
start_entered(const CartWorker *worker, CartScratch *s, size_t n, Entered *e)
{
	*e = (Entered) {.worker = worker,.tree = s->tree,.items = s->place,.n = n,.top = 1};
	while (2 * e->top <= n)
		e->top *= 2;
	memset(s->tree, 0, (n + 1) * sizeof(CartSum));
}

static inline void
enter(Entered *e, const CartItem *items, size_t item)
{
	size_t		rank = e->worker->rank[item];
	int64_t		w = items[item].w;
	int64_t		y = w * e->worker->values[rank];

	e->sum.w += w;
	e->sum.g += y;
	for (size_t i = rank + 1; i <= e->n; i += i & -i)
	{
		e->tree[i].w += w;
		e->tree[i].g += y;
	}
}

/* The error of what has entered about its median. */
static int64_t
entered_error(const Entered *e)
{
	size_t		at = 0;
	CartSum		low = {0, 0};
	int64_t		median;

	for (size_t step = e->top; step > 0; step /= 2)
		if (at + step <= e->n && 2 * (low.w + e->tree[at + step].w) < e->sum.w)
		{
			at += step;
			low.w += e->tree[at].w;
			low.g += e->tree[at].g;
		}
	median = e->worker->values[at < e->n ? at : e->n - 1];
	return (median * low.w - low.g) + ((e->sum.g - low.g) - median * (e->sum.w - low.w));
}

/* ---- a column ---- */

/* The rows in the order of their bins; returns the bins in use, in order, and fills counts and cells' w. */
static int
sort_items(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, uint32_t *begins)
{
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, column, &stride);
	uint32_t	next[CART_BINS];
	int			used = 0;
	uint32_t	rows = 0;

	for (size_t i = 0; i < place->n; i++)
	{
		unsigned	b = bytes[place->items[i].row * stride];

		s->counts[b]++;
		s->cells[b].w += place->items[i].w;
	}
	for (int b = 0; b < CART_BINS; b++)
	{
		begins[b] = next[b] = rows;
		rows += s->counts[b];
		s->order[used] = (uint8_t) b;
		used += s->counts[b] > 0;
	}
	begins[CART_BINS] = rows;
	for (size_t i = 0; i < place->n && used > 1; i++)
		s->place[next[bytes[place->items[i].row * stride]]++] = (uint32_t) i;
	return used;
}

/* Is the call to stop?  Asked now and then, of the rows that enter one after the other. */
static inline bool
is_to_stop(const CartWorker *worker, size_t row)
{
	return (row + 1) % CART_SLOW_ROWS == 0 && worker->ctx->interrupted(worker->ctx);
}

/* False when the call is to stop. */
static inline bool
enter_bin(Entered *e, const CartPlace *place, const uint32_t *begins, int b)
{
	for (uint32_t j = begins[b]; j < begins[b + 1]; j++)
	{
		enter(e, place->items, e->items[j]);
		if (is_to_stop(e->worker, j))
			return false;
	}
	return true;
}

/* Where the best split was. */
typedef struct Best
{
	int64_t		error;
	int			at;				/* the last on the left, by its place in the order */
	bool		missing_left;
	double		w_left;
} Best;

/*
 * Try each cut of the first bins of the order, count of them, the bin extra (or none, -1) staying on one side
 * throughout: on the left, or on the right, where it may also be all that is there.  Ends early when the call is to
 * stop.
 */
static void
sweep(const CartWorker *worker, CartScratch *s, const CartPlace *place, const uint32_t *begins, int count, int extra,
	  bool extra_left, Best *best)
{
	const CartLimits *limits = worker->limits;
	int64_t		all = place->sum.w;
	int64_t		w = 0;
	size_t		rows = 0;
	Entered		e;

	start_entered(worker, s, place->n, &e);
	if (extra >= 0 && !extra_left && !enter_bin(&e, place, begins, extra))
		return;
	for (int i = count - 1; i >= 0; i--)
	{
		s->cost[i] = e.sum.w > 0 ? entered_error(&e) : NO_SPLIT;
		if (!enter_bin(&e, place, begins, s->order[i]))
			return;
	}
	start_entered(worker, s, place->n, &e);
	if (extra >= 0 && extra_left)
	{
		if (!enter_bin(&e, place, begins, extra))
			return;
		rows = s->counts[extra];
		w = s->cells[extra].w;
	}
	for (int i = 0; i < count; i++)
	{
		int64_t		error;

		if (!enter_bin(&e, place, begins, s->order[i]))
			return;
		rows += s->counts[s->order[i]];
		w += s->cells[s->order[i]].w;
		if (s->cost[i] == NO_SPLIT || rows < limits->min_leaf || place->n - rows < limits->min_leaf ||
			(double) w < limits->min_weight || (double) (all - w) < limits->min_weight)
			continue;
		error = entered_error(&e) + s->cost[i];
		if (error < best->error)
			*best = (Best) {error, i, extra_left, (double) w};
	}
}

/* Put the used bins in the order of their means. */
static void
order_by_mean(const CartWorker *worker, CartScratch *s, const CartPlace *place, const uint32_t *begins, int used)
{
	double		mean[CART_BINS];

	for (int i = 0; i < used; i++)
	{
		int			b = s->order[i];
		double		y = 0;

		for (uint32_t j = begins[b]; j < begins[b + 1]; j++)
			y += (double) (place->items[s->place[j]].w * worker->values[worker->rank[s->place[j]]]);
		mean[b] = y / (double) s->cells[b].w;
	}
	for (int i = 1; i < used; i++)
	{
		uint8_t		b = s->order[i];
		int			at = i;

		for (; at > 0 && mean[s->order[at - 1]] > mean[b]; at--)
			s->order[at] = s->order[at - 1];
		s->order[at] = b;
	}
}

bool
cart_split_absolute(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out)
{
	const MlBinColumn *c = &worker->rows->bins->column[column];
	uint32_t	begins[CART_BINS + 1];
	int			used = sort_items(worker, s, place, column, begins);
	bool		missing = used > 0 && s->order[used - 1] == c->nbins;
	Best		best = {.error = NO_SPLIT};

	out->gain = -1;
	if (used > 1 && c->levels > 0)
	{
		order_by_mean(worker, s, place, begins, used);
		sweep(worker, s, place, begins, used, -1, false, &best);
	}
	else if (used > 1)
	{
		sweep(worker, s, place, begins, used - missing, missing ? c->nbins : -1, false, &best);
		if (missing)
			sweep(worker, s, place, begins, used - 1, c->nbins, true, &best);
	}
	if (best.error < NO_SPLIT)
	{
		bool		heavier_left = 2 * best.w_left >= (double) place->sum.w;

		out->gain = (double) (place->error - best.error);
		out->column = column;
		if (c->levels > 0)
			cart_make_set(s->order, used, best.at, c->nbins, heavier_left, out);
		else
		{
			out->bin = cart_middle_bin(c, s->order[best.at], best.at + 1 < used - missing ? s->order[best.at + 1] : -1);
			out->missing_left = missing ? best.missing_left : heavier_left;
		}
	}
	memset(s->counts, 0, CART_BINS * sizeof(uint32_t));
	memset(s->cells, 0, CART_BINS * sizeof(CartSum));
	return used > 1;
}

double
cart_gain_absolute(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, const CartSet *set,
				   double *w_left)
{
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, column, &stride);
	int64_t		error = 0;

	for (int side = 0; side < 2; side++)
	{
		size_t		rows = 0;
		Entered		e;

		start_entered(worker, s, place->n, &e);
		for (size_t i = 0; i < place->n; i++)
			if (cart_set_has(set, bytes[place->items[i].row * stride]) == (side == 0))
			{
				enter(&e, place->items, i);
				rows++;
				if (is_to_stop(worker, i))
					return -1;
			}
		if (rows < worker->limits->min_leaf || rows == 0 || (double) e.sum.w < worker->limits->min_weight)
			return -1;
		if (side == 0)
			*w_left = (double) e.sum.w;
		error += entered_error(&e);
	}
	return (double) (place->error - error);
}
