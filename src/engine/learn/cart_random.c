/*
 * One random split for each column (Geurts, Ernst and Wehenkel, Extremely Randomized Trees, 2006).
 *
 * Numbers: a threshold is drawn evenly between the values that part the lowest and the highest bin of the node from
 * the others; the next edge of a bin is taken.  What is missing is tried on both sides.
 * Categories: each level that the node has goes left with even chance, what is missing too.
 */
#include <math.h>
#include <string.h>

#include "learn/cart.h"

/* The bins that a node has. */
static CartSet
used_bins(const CartPlace *place, const uint8_t *bytes, size_t stride)
{
	CartSet		set = {{0}};

	for (size_t i = 0; i < place->n; i++)
	{
		unsigned	b = bytes[place->items[i].row * stride];

		set.words[b / 64] |= UINT64_C(1) << b % 64;
	}
	return set;
}

/* The lowest and the highest bin of a number that a node has (high < low = none), and whether some are missing. */
static bool
find_range(const CartPlace *place, const uint8_t *bytes, size_t stride, int missing_bin, int *low, int *high)
{
	int			least = CART_BINS;
	int			most = -1;
	bool		missing = false;

	for (size_t i = 0; i < place->n; i++)
	{
		int			b = bytes[place->items[i].row * stride];
		bool		is_missing = b == missing_bin;

		missing |= is_missing;
		least = b < least ? b : least;
		b = is_missing ? -1 : b;
		most = b > most ? b : most;
	}
	*low = least;
	*high = most;
	return missing;
}

/* What a left side gains by the sums of two. */
static double
gain_sums(const CartWorker *worker, const CartPlace *place, CartSum left, size_t rows)
{
	const CartLimits *limits = worker->limits;
	CartCriterion criterion = worker->rows->criterion;
	CartSum		right = {place->sum.g - left.g, place->sum.w - left.w};
	double		both;

	if (rows < limits->min_leaf || place->n - rows < limits->min_leaf || (double) left.w < limits->min_weight ||
		(double) right.w < limits->min_weight)
		return -1;
	both = cart_sum_score(criterion, (double) left.g, (double) left.w) + cart_sum_score(criterion, (double) right.g,
																						(double) right.w);
	if (!(both > -INFINITY))
		return -1;
	return fmax(0, both - cart_sum_score(criterion, (double) place->sum.g, (double) place->sum.w));
}

/* The same by a set of bins. */
static double
gain_set(const CartWorker *worker, const CartPlace *place, CartSplit *split)
{
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, split->column, &stride);
	size_t		rows = 0;

	split->left = (CartSum) {0, 0};
	for (size_t i = 0; i < place->n; i++)
	{
		int64_t		mask = -(int64_t) cart_set_has(&split->set, bytes[place->items[i].row * stride]);

		split->left.g += place->items[i].g & mask;
		split->left.w += place->items[i].w & mask;
		rows += (size_t) mask & 1;
	}
	return gain_sums(worker, place, split->left, rows);
}

/* Keep a split by a set of bins when it is better than what there is; tells the units of weight on its left. */
static double
try_set(const CartWorker *worker, CartScratch *s, const CartPlace *place, CartSplit *split, CartSplit *out)
{
	double		w_left = 0;

	if (worker->rows->criterion == CART_ABSOLUTE)
		split->gain = cart_gain_absolute(worker, s, place, split->column, &split->set, &w_left);
	else if (worker->rows->classes > 2)
		split->gain = cart_gain_classes(worker, s, place, split->column, &split->set, &w_left);
	else
	{
		split->gain = gain_set(worker, place, split);
		w_left = (double) split->left.w;
	}
	if (split->gain > out->gain)
		*out = *split;
	return w_left;
}

/* Try the cut of a number behind a bin by the sums of two. */
static void
try_cut(const CartWorker *worker, const CartPlace *place, int missing_bin, bool missing, CartSplit *split,
		CartSplit *out)
{
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, split->column, &stride);
	CartSum		left = {0, 0};
	CartSum		lost = {0, 0};
	size_t		rows = 0;
	size_t		lost_rows = 0;
	double		with_lost = -1;

	for (size_t i = 0; i < place->n; i++)
	{
		const CartItem *item = &place->items[i];
		int64_t		mask = -(int64_t) (bytes[item->row * stride] <= split->bin);

		left.g += item->g & mask;
		left.w += item->w & mask;
		rows += (size_t) mask & 1;
	}
	for (size_t i = 0; i < place->n && missing; i++)
		if (bytes[place->items[i].row * stride] == missing_bin)
		{
			lost.g += place->items[i].g;
			lost.w += place->items[i].w;
			lost_rows++;
		}
	split->left = left;
	split->gain = gain_sums(worker, place, left, rows);
	split->missing_left = !missing && 2 * left.w >= place->sum.w;
	if (missing && rows + lost_rows < place->n)
		with_lost = gain_sums(worker, place, (CartSum) {left.g + lost.g, left.w + lost.w}, rows + lost_rows);
	if (with_lost > split->gain)
	{
		split->gain = with_lost;
		split->left = (CartSum) {left.g + lost.g, left.w + lost.w};
		split->missing_left = true;
	}
	*out = *split;
}

/* The same by any criterion. */
static void
try_cut_set(const CartWorker *worker, CartScratch *s, const CartPlace *place, int missing_bin, bool missing,
			bool varies, CartSplit *split, CartSplit *out)
{
	for (int b = 0; b <= split->bin; b++)
		split->set.words[b / 64] |= UINT64_C(1) << b % 64;
	if (2 * try_set(worker, s, place, split, out) >= (double) place->sum.w && !missing)
		out->missing_left = true;
	if (!missing || !varies)
		return;
	split->missing_left = true;
	split->set.words[missing_bin / 64] |= UINT64_C(1) << missing_bin % 64;
	try_set(worker, s, place, split, out);
}

/* The edge next to a number drawn evenly between the edges that part the lowest from the highest bin. */
static int
draw_edge(const MlBinColumn *column, int low, int high, uint64_t chance)
{
	double		share = (double) (chance >> 11) * 0x1p-53;
	double		at = column->edges[low] * (1 - share) + column->edges[high - 1] * share;
	int			last = high - 1;

	while (low < last)
	{
		int			middle = (low + last) / 2;

		if (column->edges[middle] < at)
			low = middle + 1;
		else
			last = middle;
	}
	return low;
}

/* A random cut between the bins of a number; returns whether it varies. */
static bool
cut_number(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out)
{
	int			missing_bin = worker->rows->bins->column[column].nbins;
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, column, &stride);
	int			low;
	int			high;
	bool		missing = find_range(place, bytes, stride, missing_bin, &low, &high);
	CartSplit	split = {.column = column};

	if (high < 0 || (low >= high && !missing))
		return false;
	/* what is missing against one value: the edge behind all */
	split.bin = low < high ? draw_edge(&worker->rows->bins->column[column], low, high, ml_mix64(place->seed)) :
		missing_bin - 1;
	if (worker->rows->width > 1 || worker->rows->criterion == CART_ABSOLUTE)
		try_cut_set(worker, s, place, missing_bin, missing, low < high, &split, out);
	else
		try_cut(worker, place, missing_bin, missing, &split, out);
	return true;
}

/* A random subset of the levels. */
static void
cut_levels(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, const CartSet *used,
		   CartSplit *out)
{
	int			missing_bin = worker->rows->bins->column[column].nbins;
	CartSplit	split = {.column = column};
	int			right = 0;
	int			left = 0;
	MlRandom	random;

	ml_random_seed(&random, place->seed);
	/* levels on the right are noted from the end */
	for (unsigned b = 0; b < CART_BINS; b++)
		if (cart_set_has(used, b))
		{
			if (ml_random_next(&random) >> 63)
				s->order[left++] = (uint8_t) b;
			else
				s->order[CART_BINS - ++right] = (uint8_t) b;
		}
	if (left == 0)
		s->order[left++] = s->order[CART_BINS - right];
	else if (right == 0)
		s->order[CART_BINS - ++right] = s->order[--left];
	memmove(s->order + left, s->order + CART_BINS - right, (size_t) right);
	cart_make_set(s->order, left + right, left - 1, missing_bin, false, &split);
	if (2 * try_set(worker, s, place, &split, out) >= (double) place->sum.w)
		cart_make_set(s->order, left + right, left - 1, missing_bin, true, out);
}

bool
cart_split_random(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out)
{
	size_t		stride;
	const uint8_t *bytes = cart_bytes(worker, place->local, column, &stride);
	CartSet		used;
	int			count = 0;

	out->gain = -1;
	if (worker->rows->bins->column[column].levels == 0)
		return cut_number(worker, s, place, column, out);
	used = used_bins(place, bytes, stride);
	for (int k = 0; k < CART_BINS / 64; k++)
		count += __builtin_popcountll(used.words[k]);
	if (count > 1)
		cut_levels(worker, s, place, column, &used, out);
	return count > 1;
}
