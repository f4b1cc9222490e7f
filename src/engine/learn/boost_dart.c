/*
 * Dropout: some rounds' trees are left out of the scores while the next round is grown, so that early trees do not
 * decide everything.  With d rounds left out, the new trees count learning_rate / (d + 1), those left out d / (d + 1)
 * of what they counted.  Trees of a model that is continued are never left out.
 * Paper: Rashmi, Gilad-Bachrach, DART: Dropouts meet Multiple Additive Regression Trees, 2015.
 */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/threads.h"
#include "learn/boost_internal.h"

/* A tree as the builder holds it, by itself. */
static MlTree
take_tree(Boost *b, size_t number)
{
	const MlForestBuilder *f = &b->forest;
	size_t		begin = (size_t) f->tree_begin[number];
	MlTree		tree = {.count = f->tree_begin[number + 1] - f->tree_begin[number]};

	tree.nodes = ml_alloc_array(b->ctx, (size_t) tree.count, sizeof(MlTreeNode));
	tree.sets = f->sets != NULL ? f->sets + f->set_begin[number] : NULL;
	for (size_t i = 0; i < (size_t) tree.count; i++)
	{
		MlTreeNode	node = f->nodes[begin + i];

		node.left -= node.feature >= 0 ? (int) begin : 0;
		node.right = node.left + 1;
		node.set -= node.set >= 0 ? (int) f->set_begin[number] : 0;
		node.value = f->values[begin + i];
		tree.nodes[i] = node;
	}
	return tree;
}

/* Choose the rounds to leave out. */
static void
choose_rounds(Boost *b, size_t rounds)
{
	const BoostParams *p = b->params;
	double		rate = p->drop_rate;
	double		sum = 0;
	MlRandom	random;

	b->drops = 0;
	ml_random_seed(&random, ml_mix64((uint64_t) p->seed * 2 + 1) ^ ~(uint64_t) b->forest.trees);
	if (ml_random_double(&random) < p->skip_drop)
		return;
	for (size_t i = 0; i < rounds; i++)
		sum += p->uniform_drop ? 1 : b->round_weight[i];
	if (p->max_drop > 0)
		rate = fmin(rate, (double) p->max_drop / (double) rounds);
	for (size_t i = 0; i < rounds; i++)
		if (ml_random_double(&random) < rate * (p->uniform_drop ? 1 : b->round_weight[i]) * (double) rounds / sum &&
			(p->max_drop == 0 || b->drops < (size_t) p->max_drop))
			b->drop[b->drops++] = i;
}

typedef struct Shift
{
	Boost	   *b;
	double		factor;
} Shift;

/* Add so many times what was left out to scores. */
static void
shift_piece(void *arg, size_t begin, size_t end, int worker)
{
	Shift	   *s = arg;

	(void) worker;
	for (size_t i = begin; i < end; i++)
		s->b->rows.score[i] += s->factor * s->b->dropped[i];
}

static void
shift_scores(Boost *b, double factor)
{
	Shift		s = {b, factor};

	ml_parallel_for(b->ctx, (size_t) b->k * b->rows.n, BOOST_PIECE, shift_piece, &s);
}

void
boost_dart_drop(Boost *b)
{
	size_t		rounds = (b->forest.trees - b->first_tree) / (size_t) b->k;

	b->rate = b->learning_rate;
	if (rounds == 0)
		return;
	choose_rounds(b, rounds);
	b->rate /= (double) (b->drops + 1);
	if (b->drops == 0)
		return;
	memset(b->dropped, 0, (size_t) b->k * b->rows.n * sizeof(double));
	for (size_t i = 0; i < b->drops; i++)
		for (size_t c = 0; c < (size_t) b->k; c++)
		{
			MlTree		tree = take_tree(b, b->first_tree + b->drop[i] * (size_t) b->k + c);

			ml_tree_walk(b->ctx, b->bins, &tree, 1, b->dropped + c * b->rows.n);
			ml_free(b->ctx, tree.nodes);
		}
	shift_scores(b, -1);
}

void
boost_dart_restore(Boost *b)
{
	size_t		rounds = (b->forest.trees - b->first_tree) / (size_t) b->k;
	double		factor = (double) b->drops / (double) (b->drops + 1);

	b->round_weight[rounds - 1] = b->rate;
	if (b->drops == 0)
		return;
	shift_scores(b, factor);
	for (size_t i = 0; i < b->drops; i++)
	{
		size_t		first = b->first_tree + b->drop[i] * (size_t) b->k;

		b->round_weight[b->drop[i]] *= factor;
		for (size_t node = (size_t) b->forest.tree_begin[first]; node < (size_t) b->forest.tree_begin[first + (size_t) b->k]; node++)
			b->forest.values[node] *= factor;
	}
	b->drops = 0;
}
