/*
 * Splits by the classes of three or more: gini and entropy.
 *
 * Rows are put in the order of their bins, or, where there are many, summed by bin and class; then they go to the
 * left one after the other, and the sums that the criterion is made of (of c^2, or of c log2 c, over the weights c
 * of the classes) follow in constant time each.  Missing values are tried on both sides.
 *
 * Categories: for each class in turn (the heaviest MOST_CLASSES, where there are more) the levels are put in the
 * order of its share and cut in two; the best of all those subsets is taken.
 */
#include <math.h>
#include <string.h>

#include "learn/cart.h"

#define MOST_CLASSES 16

/* The two sides while shares move. */
typedef struct Sides
{
	bool		entropy;
	double	   *left;			/* weights of classes */
	double	   *right;
	double		score_left;		/* sum of c^2 or c log2 c */
	double		score_right;
	double		w_left;
	double		w_right;
	size_t		rows_left;
	size_t		rows_right;
} Sides;

static inline double
term(bool entropy, double c)
{
	return entropy ? cart_nlogn(c) : c * c;
}

/* Minus impurity times weight of one side; gini up to its weight. */
static inline double
side_score(bool entropy, double sum, double w)
{
	return entropy ? sum - cart_nlogn(w) : sum / w;
}

static void
start_sides(const CartWorker *worker, CartScratch *s, const CartPlace *place, Sides *sides)
{
	*sides = (Sides) {.entropy = worker->rows->criterion == CART_ENTROPY,.left = s->left,.right = s->right};
	for (int k = 0; k < worker->rows->classes; k++)
	{
		s->left[k] = 0;
		s->right[k] = place->classes[k];
		sides->score_right += term(sides->entropy, place->classes[k]);
		sides->w_right += place->classes[k];
	}
	sides->rows_right = place->n;
}

/* Move shares to the left. */
static inline void
move_shares(Sides *sides, const CartShare *from, const CartShare *to)
{
	for (; from < to; from++)
	{
		double	   *left = &sides->left[from->klass];
		double	   *right = &sides->right[from->klass];

		sides->score_left += term(sides->entropy, *left + from->w) - term(sides->entropy, *left);
		sides->score_right += term(sides->entropy, *right - from->w) - term(sides->entropy, *right);
		*left += from->w;
		*right -= from->w;
		sides->w_left += from->w;
		sides->w_right -= from->w;
	}
}

static inline void
move_rows(Sides *sides, size_t rows)
{
	sides->rows_left += rows;
	sides->rows_right -= rows;
}

/* The score of both sides, -INFINITY when one is too small. */
static inline double
both_score(const Sides *sides, const CartLimits *limits)
{
	if (sides->rows_left < limits->min_leaf || sides->rows_right < limits->min_leaf || !(sides->w_left > 0) ||
		!(sides->w_right > 0) || sides->w_left < limits->min_weight || sides->w_right < limits->min_weight)
		return -INFINITY;
	return side_score(sides->entropy, sides->score_left, sides->w_left) +
		side_score(sides->entropy, sides->score_right, sides->w_right);
}

static double
whole_score(const CartWorker *worker, const CartPlace *place)
{
	bool		entropy = worker->rows->criterion == CART_ENTROPY;
	double		sum = 0;
	double		w = 0;

	for (int k = 0; k < worker->rows->classes; k++)
	{
		sum += term(entropy, place->classes[k]);
		w += place->classes[k];
	}
	return side_score(entropy, sum, w);
}

/* ---- shares in the order of bins ---- */

/* Sort the rows by bin; begins[b] is where bin b begins. */
static void
sort_rows(const CartPlace *place, const uint8_t *bytes, size_t stride, CartScratch *s, uint32_t *begins)
{
	uint32_t	place_of[CART_BINS];

	memcpy(place_of, begins, sizeof place_of);
	for (size_t i = 0; i < place->n; i++)
	{
		const CartItem *item = &place->items[i];
		unsigned	b = bytes[item->row * stride];

		s->shares[place_of[b]++] = (CartShare) {(uint32_t) item->g, b, item->w};
	}
}

/* Sum the rows by bin and class. */
static void
sum_rows(const CartPlace *place, const uint8_t *bytes, size_t stride, int classes, CartScratch *s, uint32_t *begins)
{
	size_t		used = 0;

	for (size_t i = 0; i < place->n; i++)
	{
		const CartItem *item = &place->items[i];

		s->dense[(size_t) bytes[item->row * stride] * (size_t) classes + (size_t) item->g] += item->w;
	}
	for (uint32_t b = 0; b < CART_BINS; b++)
	{
		double	   *row = s->dense + (size_t) b * (size_t) classes;

		begins[b] = (uint32_t) used;
		for (int k = 0; k < classes && s->counts[b] > 0; k++)
			if (row[k] > 0)
			{
				s->shares[used++] = (CartShare) {(uint32_t) k, b, row[k]};
				row[k] = 0;
			}
	}
	begins[CART_BINS] = (uint32_t) used;
}

/* Make the shares of a column; returns the bins in use, in order, and fills counts. */
static int
make_shares(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, uint32_t *begins)
{
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, column, &stride);
	int			used = 0;
	uint32_t	rows = 0;

	for (size_t i = 0; i < place->n; i++)
		s->counts[bytes[place->items[i].row * stride]]++;
	for (int b = 0; b < CART_BINS; b++)
	{
		begins[b] = rows;
		rows += s->counts[b];
		s->order[used] = (uint8_t) b;
		used += s->counts[b] > 0;
	}
	begins[CART_BINS] = rows;
	if (used < 2)
		return used;
	if (place->n > s->share_room)
		sum_rows(place, bytes, stride, worker->rows->classes, s, begins);
	else
		sort_rows(place, bytes, stride, s, begins);
	return used;
}

/* ---- numbers ---- */

/* Where the best split was. */
typedef struct Best
{
	double		score;
	int			below;
	int			above;			/* < 0: all values against what is missing */
	bool		missing_left;
	double		w_left;
} Best;

static void
keep_best(Best *best, const Sides *sides, const CartLimits *limits, int below, int above, bool missing_left)
{
	double		both = both_score(sides, limits);

	if (both > best->score)
		*best = (Best) {both, below, above, missing_left, sides->w_left};
}

/* Go through the bins of a number, what is missing on the left from the start or not at all. */
static void
sweep_numbers(const CartWorker *worker, CartScratch *s, const CartPlace *place, const uint32_t *begins, int present,
			  bool missing, bool missing_left, Best *best)
{
	int			missing_bin = s->order[present];
	Sides		sides;

	start_sides(worker, s, place, &sides);
	if (missing_left)
	{
		move_shares(&sides, s->shares + begins[missing_bin], s->shares + begins[missing_bin + 1]);
		move_rows(&sides, s->counts[missing_bin]);
	}
	for (int i = 0; i < present; i++)
	{
		int			b = s->order[i];

		move_shares(&sides, s->shares + begins[b], s->shares + begins[b + 1]);
		move_rows(&sides, s->counts[b]);
		if (i + 1 < present)
			keep_best(best, &sides, worker->limits, b, s->order[i + 1], missing_left);
		else if (missing && !missing_left)
			keep_best(best, &sides, worker->limits, b, -1, false);
	}
}

/* ---- categories ---- */

/* Put the used bins in the order of a class's share. */
static void
order_by_class(CartScratch *s, const uint32_t *begins, int used, uint32_t klass)
{
	double		share[CART_BINS];

	for (int i = 0; i < used; i++)
	{
		double		w = 0;
		double		all = 0;

		for (uint32_t j = begins[s->order[i]]; j < begins[s->order[i] + 1]; j++)
		{
			all += s->shares[j].w;
			w += s->shares[j].klass == klass ? s->shares[j].w : 0;
		}
		share[s->order[i]] = w / all;
	}
	for (int i = 1; i < used; i++)
	{
		uint8_t		b = s->order[i];
		int			at = i;

		for (; at > 0 && share[s->order[at - 1]] > share[b]; at--)
			s->order[at] = s->order[at - 1];
		s->order[at] = b;
	}
}

/* The next class to order by: the heaviest that is lighter than the last one, -1 when there is none. */
static int
next_class(const CartPlace *place, int classes, int last)
{
	int			next = -1;

	for (int k = 0; k < classes; k++)
	{
		double		w = place->classes[k];

		if (!(w > 0) || (last >= 0 && (w > place->classes[last] || (w == place->classes[last] && k <= last))))
			continue;
		if (next < 0 || w > place->classes[next])
			next = k;
	}
	return next;
}

/* Cut the levels in two, in the order of each class. */
static double
sweep_levels(const CartWorker *worker, CartScratch *s, const CartPlace *place, const uint32_t *begins, int used,
			 int missing_bin, CartSplit *out)
{
	int			klass = -1;
	double		score = -INFINITY;

	for (int turn = 0; turn < MOST_CLASSES; turn++)
	{
		Best		best = {.score = score};
		Sides		sides;

		klass = next_class(place, worker->rows->classes, klass);
		if (klass < 0)
			break;
		order_by_class(s, begins, used, (uint32_t) klass);
		start_sides(worker, s, place, &sides);
		for (int i = 0; i + 1 < used; i++)
		{
			int			b = s->order[i];

			move_shares(&sides, s->shares + begins[b], s->shares + begins[b + 1]);
			move_rows(&sides, s->counts[b]);
			keep_best(&best, &sides, worker->limits, i, i + 1, false);
		}
		if (best.score > score)
			cart_make_set(s->order, used, best.below, missing_bin, 2 * best.w_left >= (double) place->sum.w, out);
		score = best.score;
	}
	return score;
}

/* ---- the search ---- */

bool
cart_split_classes(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out)
{
	const MlBinColumn *c = &worker->rows->bins->column[column];
	uint32_t	begins[CART_BINS + 1];
	int			used = make_shares(worker, s, place, column, begins);
	bool		missing = used > 0 && s->order[used - 1] == c->nbins;
	Best		best = {.score = -INFINITY};

	out->gain = -1;
	if (used > 1 && c->levels > 0)
		best.score = sweep_levels(worker, s, place, begins, used, c->nbins, out);
	else if (used > 1)
	{
		sweep_numbers(worker, s, place, begins, used - missing, missing, false, &best);
		if (missing)
			sweep_numbers(worker, s, place, begins, used - 1, true, true, &best);
		if (best.score > -INFINITY)
		{
			out->bin = cart_middle_bin(c, best.below, best.above);
			out->missing_left = missing ? best.missing_left : 2 * best.w_left >= (double) place->sum.w;
		}
	}
	if (best.score > -INFINITY)
	{
		out->gain = fmax(0, best.score - whole_score(worker, place));
		out->column = column;
	}
	memset(s->counts, 0, CART_BINS * sizeof(uint32_t));
	return used > 1;
}

double
cart_gain_classes(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, const CartSet *set,
				  double *w_left)
{
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, column, &stride);
	double		both;
	Sides		sides;

	start_sides(worker, s, place, &sides);
	for (size_t i = 0; i < place->n; i++)
	{
		const CartItem *item = &place->items[i];
		CartShare	share = {(uint32_t) item->g, 0, item->w};

		if (cart_set_has(set, bytes[item->row * stride]))
		{
			move_shares(&sides, &share, &share + 1);
			move_rows(&sides, 1);
		}
	}
	*w_left = sides.w_left;
	both = both_score(&sides, worker->limits);
	return both > -INFINITY ? fmax(0, both - whole_score(worker, place)) : -1;
}
