/*
 * Exact Shapley values of trees against a background sample.
 *
 * Problem: the game of a row x and a background row b answers, for a set S of slots, the tree's value of the row that
 *     has x's slots in S and b's elsewhere; phi is the mean of its Shapley values over all background rows.
 * Method:  for one b, only leaves count whose every slot's splits are all taken by x or all by b.  With a slots taken
 *     by x alone and c by b alone, a slot of the first kind gets v (a - 1)! c! / (a + c)!, one of the second
 *     -v a! (c - 1)! / (a + c)!; slots taken by both get nothing.  What x takes, and so c, is the same for all b: they
 *     go through a tree together, a bit each, and on the way to a leaf the bits are sorted by a.
 * Cost:    for 64 background rows, a row and a tree: the leaves that a mixture can reach times the slots on their paths
 *     squared.
 * Paper:   Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020.
 */
#include <string.h>

#include "base/simd.h"
#include "explain/explain_internal.h"

#define CHUNK 64				/* background rows that go together */

/* A slot on the path to a node. */
typedef struct Member
{
	size_t		slot;
	bool		row;			/* the row took all its splits */
	uint64_t	taken;			/* and so did these background rows */
} Member;

/* A node on the way down, and its slot's member as it was before. */
typedef struct Step
{
	size_t		node;
	size_t		member;
	bool		added;			/* the slot's first split on the path */
	Member		before;
	size_t		most;			/* slots that the row took alone, at most */
	size_t		lost;			/* slots that the row did not take */
} Step;

typedef struct Walk
{
	const TreeShap *s;
	const double *x;			/* x[j * ldx] */
	size_t		ldx;
	const uint64_t *goes;		/* [nodes] of this chunk */
	Step	   *steps;			/* [depth + 1] */
	uint64_t   *alone;			/* [depth + 1][members + 1] background rows by the slots that the row took alone */
	Member	   *members;		/* [members] */
	size_t		count;			/* of members */
	size_t	   *place;			/* [slots] of the slot's member plus one, 0 = none */
	double	   *phi;			/* [slots] */
} Walk;

/* ---- one tree ---- */

/* Take the side of level h that its node is; false when no background row can get there with the row. */
static inline __attribute__((always_inline)) bool
take_side(Walk *w, size_t h)
{
	const MlForest *f = w->s->forest;
	Step	   *step = &w->steps[h];
	size_t		parent = step[-1].node;
	size_t		column = (size_t) f->feature[parent];
	size_t		slot = (size_t) w->s->slot[column];
	bool		left = step->node == (size_t) f->left[parent];
	const uint64_t *from = w->alone + (h - 1) * (w->s->members + 1);
	uint64_t   *to = w->alone + h * (w->s->members + 1);
	uint64_t	any = 0;
	uint64_t	moved;
	Member	   *member;

	step->added = w->place[slot] == 0;
	if (step->added)
	{
		w->members[w->count] = (Member) {.slot = slot,.row = true,.taken = ~UINT64_C(0)};
		w->place[slot] = ++w->count;
	}
	step->member = w->place[slot] - 1;
	member = &w->members[step->member];
	step->before = *member;
	step->most = step[-1].most;
	step->lost = step[-1].lost;
	member->taken &= left ? w->goes[parent] : ~w->goes[parent];
	if (member->row && ml_forest_goes_left(f, parent, w->x[column * w->ldx]) == left)
	{
		/* the slot is the row's alone from here on for those that leave it */
		moved = step->before.taken & ~member->taken;
		to[0] = from[0] & ~moved;
		any = to[0];
		for (size_t a = 1; a <= step->most; a++)
			any |= to[a] = (from[a] & ~moved) | (from[a - 1] & moved);
		if ((from[step->most] & moved) != 0)
		{
			any |= to[step->most + 1] = from[step->most] & moved;
			step->most++;
		}
		return any != 0;
	}
	step->lost += member->row;
	member->row = false;
	for (size_t a = 0; a <= step->most; a++)
		any |= to[a] = from[a] & member->taken;
	return any != 0;
}

/* Back from that side. */
static inline __attribute__((always_inline)) void
leave_side(Walk *w, size_t h)
{
	const Step *step = &w->steps[h];

	if (step->added)
		w->place[w->members[--w->count].slot] = 0;
	else
		w->members[step->member] = step->before;
}

/* What a leaf of level h gives the slots on its path. */
static inline __attribute__((always_inline)) void
add_leaf(Walk *w, size_t h, double value)
{
	const Step *step = &w->steps[h];
	const uint64_t *alone = w->alone + h * (w->s->members + 1);
	const double *weights = w->s->weights;
	size_t		width = w->s->members + 1;
	double		against = 0;

	for (size_t a = 0; a <= step->most && step->lost > 0; a++)
		against += weights[step->lost * width + a] * (double) __builtin_popcountll(alone[a]);
	for (size_t m = 0; m < w->count; m++)
	{
		const Member *member = &w->members[m];
		double		sum = 0;

		for (size_t a = 1; a <= step->most && member->row; a++)
			sum += weights[a * width + step->lost] * (double) __builtin_popcountll(alone[a] & ~member->taken);
		w->phi[member->slot] += value * (member->row ? sum : -against);
	}
}

/* Add one tree's contributions against a chunk of background rows; value: which of a node's. */
static ML_MULTIVERSION void
walk_chunk(Walk *w, size_t tree, int value)
{
	const MlForest *f = w->s->forest;
	size_t		h = 0;

	w->steps[0].node = (size_t) f->tree_begin[tree];
	w->steps[0].most = w->steps[0].lost = 0;
	for (;;)
	{
		size_t		at = w->steps[h].node;
		bool		reached = h == 0 || take_side(w, h);

		if (reached && f->feature[at] >= 0)
		{
			w->steps[++h].node = (size_t) f->left[at];
			continue;
		}
		if (reached)
			add_leaf(w, h, f->value[at * (size_t) f->width + (size_t) value]);
		for (;;)
		{
			leave_side(w, h);
			if (w->steps[h].node == (size_t) f->left[w->steps[h - 1].node])
				break;
			if (--h == 0)
				return;
		}
		w->steps[h].node++;
	}
}

/* ---- all trees and background rows ---- */

size_t
tree_background_scratch(const TreeShap *s)
{
	size_t		bytes = (s->depth + 2) * (sizeof(Step) + (s->members + 1) * sizeof(uint64_t)) +
		(s->members + 1) * sizeof(Member) + s->slots * (sizeof(size_t) + sizeof(double));

	return bytes / sizeof(double) + 1;
}

void
tree_background_rows(const TreeShap *s, int output, const double *x, size_t ldx, size_t n, double *out, size_t ldout,
					 double *scratch)
{
	double		share = s->scale / (double) s->background_rows;
	Walk		w = {.s = s,.ldx = ldx};

	w.phi = scratch;
	w.place = (size_t *) (scratch + s->slots);
	w.alone = (uint64_t *) (w.place + s->slots);
	w.steps = (Step *) (w.alone + (s->depth + 2) * (s->members + 1));
	w.members = (Member *) (w.steps + s->depth + 2);
	memset(w.place, 0, s->slots * sizeof(size_t));
	for (size_t i = 0; i < n; i++)
	{
		w.x = x + i;
		memset(w.phi, 0, s->slots * sizeof(double));
		for (size_t begin = 0; begin < s->background_rows; begin += CHUNK)
		{
			size_t		rows = s->background_rows - begin < CHUNK ? s->background_rows - begin : CHUNK;

			/* what is interrupted is thrown away */
			if (s->ctx->interrupted(s->ctx))
				return;
			w.goes = s->goes + begin / CHUNK * s->forest->nodes;
			w.alone[0] = ~UINT64_C(0) >> (CHUNK - rows);
			for (size_t t = 0; t < s->forest->trees; t++)
			{
				int			value = shap_value_of(s->forest, t, output);

				if (value >= 0 && s->points[t] > 0)
					walk_chunk(&w, t, value);
			}
		}
		for (size_t slot = 0; slot < s->slots; slot++)
			out[slot * ldout + i] += share * w.phi[slot];
	}
}

/* ---- setting up ---- */

/* (a - 1)! c! / (a + c)! for all a and c that a path can have. */
static void
make_weights(MlContext *ctx, TreeShap *s)
{
	size_t		n = 2 * (size_t) s->most_points;

	s->members = n;
	s->weights = ml_alloc_array_zero(ctx, (n + 1) * (n + 1), sizeof(double));
	for (size_t a = 1; a <= n; a++)
	{
		double	   *row = s->weights + a * (n + 1);

		row[0] = 1.0 / (double) a;
		for (size_t c = 1; c <= n; c++)
			row[c] = row[c - 1] * (double) c / (double) (a + c);
	}
}

/* Which background rows go left from each node. */
static void
make_bits(MlContext *ctx, TreeShap *s)
{
	const MlForest *f = s->forest;
	size_t		chunks = (s->background_rows + CHUNK - 1) / CHUNK;

	s->goes = ml_alloc_array_zero(ctx, chunks, f->nodes * sizeof(uint64_t) + 1);
	for (size_t b = 0; b < s->background_rows; b++)
	{
		const double *row = s->background + b * (size_t) f->columns;
		uint64_t   *goes = s->goes + b / CHUNK * f->nodes;

		for (size_t i = 0; i < f->nodes; i++)
			if (f->feature[i] >= 0)
				goes[i] |= (uint64_t) ml_forest_goes_left(f, i, row[f->feature[i]]) << b % CHUNK;
		ml_check(ctx);
	}
}

void
tree_background_set(MlContext *ctx, TreeShap *s, const double *rows, size_t n)
{
	const MlForest *f = s->forest;

	s->ctx = ctx;
	s->background_rows = n;
	s->background = rows;
	make_weights(ctx, s);
	make_bits(ctx, s);
	memset(s->base, 0, (size_t) f->outputs * sizeof(double));
	for (size_t b = 0; b < n; b++)
	{
		for (size_t t = 0; t < f->trees; t++)
		{
			size_t		leaf = ml_forest_leaf(f, t, rows + b * (size_t) f->columns, 1);

			for (int k = 0; k < f->width; k++)
				s->base[f->width > 1 ? (size_t) k : t % (size_t) f->outputs] += f->value[leaf * (size_t) f->width +
																						 (size_t) k];
		}
		ml_check(ctx);
	}
	for (int c = 0; c < f->outputs; c++)
		s->base[c] *= s->scale / (double) n;
}
