/*
 * Splits by criteria of two sums of a node: w, its weight, and g, its weight of class 1 or its target times weight.
 *
 *     gini (two classes)   2 (g - g^2 / w)             squared error   sum of w y^2 - g^2 / w
 *     entropy              nlog(w) - nlog(g) - nlog(w - g), where nlog(x) = x log2 x
 *     Poisson              a constant - g log(g / w); half the deviance
 *
 * are impurity times weight; a split is worth their decrease.
 *
 * Numbers: every edge between bins that have rows is tried, with the missing rows on either side, and what is
 * missing against all else.  An edge in the middle of the gap is taken, as the values there are not of this node.
 * Categories: levels in the order of g / w, what is missing among them, are cut in two; for these criteria the
 * best subset is one of those (Breiman, Friedman, Olshen and Stone, 1984, theorem 4.5).  Levels that the node has
 * not go with those that are missing, and these, when the node has none, with the heavier side.
 */
#include <math.h>
#include <string.h>

#include "learn/cart.h"

#define FEW_ROWS 96				/* up to that many the bins in use are noted one by one */

/* ---- the criteria ---- */

double		cart_nlogn_table[CART_TABLE];

void
cart_start(void)
{
	for (int i = 1; i < CART_TABLE; i++)
		cart_nlogn_table[i] = i * log2(i);
}

/* Minus impurity times weight, without the terms that a split does not change. */
static inline double
score(CartCriterion criterion, double g, double w)
{
	switch (criterion)
	{
		case CART_ENTROPY:
			return cart_nlogn(g) + cart_nlogn(w - g) - cart_nlogn(w);
		case CART_POISSON:
			/* a side that is zero throughout would predict zero, of which no other count has any chance */
			return g > 0 ? g * log(g / w) : -INFINITY;
		default:
			return g * g / w;
	}
}

double
cart_sum_score(CartCriterion criterion, double g, double w)
{
	return score(criterion, g, w) * (criterion == CART_GINI ? 2 : 1);
}

/* ---- sums of bins ---- */

/* Sums of the rows of many: all cells are looked at afterwards. */
static int
sum_many(const CartPlace *place, const uint8_t *bytes, size_t stride, int bins, CartScratch *s)
{
	const CartItem *items = place->items;
	CartSum    *cells = s->cells;
	int			used = 0;

	for (size_t i = 0; i < place->n; i++)
	{
		CartSum    *cell = &cells[bytes[items[i].row * stride]];

		cell->g += items[i].g;
		cell->w += items[i].w;
	}
	for (int b = 0; b < bins; b++)
	{
		s->order[used] = (uint8_t) b;
		used += cells[b].w > 0;
	}
	return used;
}

/* The same for few rows. */
static int
sum_few(const CartPlace *place, const uint8_t *bytes, size_t stride, CartScratch *s)
{
	const CartItem *items = place->items;
	CartSum    *cells = s->cells;
	CartSet		set = {{0}};
	int			used = 0;

	for (size_t i = 0; i < place->n; i++)
	{
		unsigned	b = bytes[items[i].row * stride];

		cells[b].g += items[i].g;
		cells[b].w += items[i].w;
		set.words[b / 64] |= UINT64_C(1) << b % 64;
	}
	for (unsigned k = 0; k < CART_BINS / 64; k++)
		for (uint64_t rest = set.words[k]; rest != 0; rest &= rest - 1)
			s->order[used++] = (uint8_t) (k * 64 + (unsigned) __builtin_ctzll(rest));
	return used;
}

/* How many rows each bin has. */
static void
count_rows(const CartPlace *place, const uint8_t *bytes, size_t stride, uint32_t *counts)
{
	for (size_t i = 0; i < place->n; i++)
		counts[bytes[place->items[i].row * stride]]++;
}

/* ---- numbers ---- */

/* What a search knows while it goes through the bins. */
typedef struct Sweep
{
	CartCriterion criterion;
	const CartLimits *limits;
	CartSum		all;
	size_t		rows;
	double		best;			/* score of both sides */
	int			below;			/* bins next to the best edge; above < 0 = all else against what is missing */
	int			above;
	bool		missing_left;
	CartSum		left;
	size_t		left_rows;
} Sweep;

/* Try a left side. */
static inline __attribute__((always_inline)) void
try_sides(Sweep *sweep, CartCriterion criterion, CartSum left, size_t rows, int below, int above, bool missing_left)
{
	double		wl = (double) left.w;
	double		wr = (double) (sweep->all.w - left.w);
	double		both;

	if (rows < sweep->limits->min_leaf || sweep->rows - rows < sweep->limits->min_leaf ||
		wl < sweep->limits->min_weight || wr < sweep->limits->min_weight)
		return;
	both = score(criterion, (double) left.g, wl) + score(criterion, (double) (sweep->all.g - left.g), wr);
	if (both > sweep->best)
	{
		sweep->best = both;
		sweep->below = below;
		sweep->above = above;
		sweep->missing_left = missing_left;
		sweep->left = left;
		sweep->left_rows = rows;
	}
}

/* Go through the used bins of a number in order. */
static inline __attribute__((always_inline)) void
sweep_numbers(Sweep *sweep, CartCriterion criterion, const CartScratch *s, int used, int missing_bin)
{
	bool		missing = s->order[used - 1] == missing_bin;
	bool		counted = sweep->limits->min_leaf > 1;
	CartSum		lost = missing ? s->cells[missing_bin] : (CartSum) {0, 0};
	size_t		lost_rows = counted && missing ? s->counts[missing_bin] : missing;
	int			present = used - missing;
	CartSum		left = {0, 0};
	size_t		rows = counted ? 0 : 1;

	/* where nobody counts each side has a row */
	if (!counted)
		sweep->rows = 3;
	for (int i = 0; i + 1 < present; i++)
	{
		int			b = s->order[i];

		left.g += s->cells[b].g;
		left.w += s->cells[b].w;
		rows += counted ? s->counts[b] : 0;
		try_sides(sweep, criterion, left, rows, b, s->order[i + 1], false);
		if (missing)
			try_sides(sweep, criterion, (CartSum) {left.g + lost.g, left.w + lost.w}, rows + lost_rows, b,
					  s->order[i + 1], true);
	}
	if (missing && present > 0)
		try_sides(sweep, criterion, (CartSum) {sweep->all.g - lost.g, sweep->all.w - lost.w},
				  counted ? sweep->rows - lost_rows : 1, s->order[present - 1], -1, false);
}

int
cart_middle_bin(const MlBinColumn *column, int below, int above)
{
	double		middle;
	int			bin = below;

	if (above < 0)
		return column->nbins - 1;
	middle = column->edges[below] / 2 + column->edges[above - 1] / 2;
	while (bin + 1 < above && fabs(column->edges[bin + 1] - middle) < fabs(column->edges[bin] - middle))
		bin++;
	return bin;
}

/* ---- categories ---- */

/* Put the used bins in the order of g / w. */
static void
order_levels(CartScratch *s, int used)
{
	for (int i = 1; i < used; i++)
	{
		uint8_t		b = s->order[i];
		double		mean = (double) s->cells[b].g / (double) s->cells[b].w;
		int			at = i;

		for (; at > 0; at--)
		{
			const CartSum *other = &s->cells[s->order[at - 1]];

			if ((double) other->g / (double) other->w <= mean)
				break;
			s->order[at] = s->order[at - 1];
		}
		s->order[at] = b;
	}
}

/* Go through the levels in the order that they have now; below counts them. */
static void
sweep_levels(Sweep *sweep, const CartScratch *s, int used)
{
	bool		counted = sweep->limits->min_leaf > 1;
	CartSum		left = {0, 0};
	size_t		rows = counted ? 0 : 1;

	if (!counted)
		sweep->rows = 2;
	for (int i = 0; i + 1 < used; i++)
	{
		int			b = s->order[i];

		left.g += s->cells[b].g;
		left.w += s->cells[b].w;
		rows += counted ? s->counts[b] : 0;
		try_sides(sweep, sweep->criterion, left, rows, i, i + 1, false);
	}
}

void
cart_make_set(const uint8_t *order, int used, int last, int missing_bin, bool heavier_left, CartSplit *out)
{
	CartSet		absent;

	memset(&absent, 0xff, sizeof absent);
	memset(&out->set, 0, sizeof out->set);
	out->missing_left = heavier_left;
	for (int i = 0; i < used; i++)
	{
		unsigned	b = order[i];

		absent.words[b / 64] &= ~(UINT64_C(1) << b % 64);
		if (i <= last)
			out->set.words[b / 64] |= UINT64_C(1) << b % 64;
		if (order[i] == missing_bin)
			out->missing_left = i <= last;
	}
	for (unsigned k = 0; k < CART_BINS / 64 && out->missing_left; k++)
		out->set.words[k] |= absent.words[k];
}

/* ---- the search ---- */

bool
cart_split_sums(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out)
{
	const MlBinColumn *c = &worker->rows->bins->column[column];
	CartCriterion criterion = worker->rows->criterion;
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, column, &stride);
	int			used = place->n <= FEW_ROWS ? sum_few(place, bytes, stride, s) :
		sum_many(place, bytes, stride, c->nbins + 1, s);
	bool		counted = worker->limits->min_leaf > 1 && used > 1;
	Sweep		sweep = {.criterion = criterion,.limits = worker->limits,.all = place->sum,.rows = place->n,.best = -INFINITY};

	out->gain = -1;
	if (counted)
		count_rows(place, bytes, stride, s->counts);
	if (c->levels > 0)
	{
		order_levels(s, used);
		sweep_levels(&sweep, s, used);
	}
	else if (criterion == CART_ENTROPY)
		sweep_numbers(&sweep, CART_ENTROPY, s, used, c->nbins);
	else if (criterion == CART_POISSON)
		sweep_numbers(&sweep, CART_POISSON, s, used, c->nbins);
	else
		sweep_numbers(&sweep, CART_SQUARED, s, used, c->nbins);
	if (sweep.best > -INFINITY)
	{
		bool		heavier_left = 2 * sweep.left.w >= place->sum.w;

		out->gain = fmax(0, sweep.best - score(criterion, (double) place->sum.g, (double) place->sum.w));
		out->gain *= criterion == CART_GINI ? 2 : 1;
		out->column = column;
		out->left = sweep.left;
		if (c->levels > 0)
			cart_make_set(s->order, used, sweep.below, c->nbins, heavier_left, out);
		else
		{
			out->bin = cart_middle_bin(c, sweep.below, sweep.above);
			out->missing_left = s->order[used - 1] == c->nbins ? sweep.missing_left : heavier_left;
		}
	}
	for (int i = 0; i < used; i++)
	{
		s->cells[s->order[i]] = (CartSum) {0, 0};
		s->counts[s->order[i]] = 0;
	}
	return used > 1;
}
