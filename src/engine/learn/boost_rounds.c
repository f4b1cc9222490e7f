/*
 * The rounds of boosting: gradients, trees, and when it ends.
 *
 * Gradients become integers of 22 bits, hessians of 18, in units of the largest of the tree, so that sums depend on
 * no order: the same bits whatever the number of threads.  Until then they lie, in single precision, where the
 * integers will.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/simd.h"
#include "base/threads.h"
#include "learn/boost_internal.h"
#include "learn/forest_edit.h"

#define BINARY_L2 1				/* l2 by default, where a leaf of one class alone would take any step */
#define LOG_LINK_STEP 2			/* largest value of a leaf, before learning_rate, where exp(score) is predicted */

/* ---- gradients as integers ---- */

/* The largest gradient and hessian of some rows. */
static void
measure_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;
	const BoostGradient *from = b->gradients;
	float		largest_g = 0;
	float		largest_h = 0;

	(void) worker;
	for (size_t i = begin; i < end; i++)
	{
		float		g = fabsf(from[i].g);

		/* what is no number is to be found, too */
		largest_g = g <= largest_g ? largest_g : g;
		largest_h = from[i].h <= largest_h ? largest_h : from[i].h;
	}
	b->piece_max[begin / BOOST_PIECE * 2] = largest_g;
	b->piece_max[begin / BOOST_PIECE * 2 + 1] = largest_h;
}

/* Make integers of some rows' gradients and hessians, in their places. */
static ML_MULTIVERSION void
pack_rows(int64_t *packed, size_t n, double g_scale, double h_scale)
{
	const BoostGradient *from = (const BoostGradient *) packed;
	int32_t		g[ML_BLOCK_ROWS];
	int32_t		h[ML_BLOCK_ROWS];

	/* through arrays of their own, so that the compiler sees that nothing overlaps */
	for (size_t begin = 0; begin < n; begin += ML_BLOCK_ROWS)
	{
		size_t		m = n - begin < ML_BLOCK_ROWS ? n - begin : ML_BLOCK_ROWS;

		for (size_t i = 0; i < m; i++)
		{
			/* halves away from zero */
			g[i] = (int32_t) (from[begin + i].g * g_scale + copysign(0.5, from[begin + i].g));
			h[i] = (int32_t) (from[begin + i].h * h_scale + 0.5);
		}
		for (size_t i = 0; i < m; i++)
			packed[begin + i] = ml_tree_pack(g[i], h[i]);
	}
}

static void
pack_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;

	(void) worker;
	pack_rows(ml_grower_packed(b->grower) + begin, end - begin, ML_TREE_GRADIENT_MAX / b->gradient_max,
			  ML_TREE_HESSIAN_MAX / b->hessian_max);
}

/* Gradients of the rows that the next tree is grown on, as integers in the grower; 0 = nothing is left to learn. */
static size_t
take_gradients(Boost *b)
{
	size_t		n;

	boost_differentiate(b);
	n = boost_sample_rows(b);
	ml_parallel_for(b->ctx, n, BOOST_PIECE, measure_piece, b);
	b->gradient_max = b->hessian_max = 0;
	for (size_t i = 0; i < (n + BOOST_PIECE - 1) / BOOST_PIECE; i++)
		for (size_t m = 0; m < 2; m++)
		{
			double	   *largest = m == 0 ? &b->gradient_max : &b->hessian_max;
			double		found = b->piece_max[2 * i + m];

			*largest = found <= *largest ? *largest : found;
		}
	if (!(b->gradient_max <= FLT_MAX && b->hessian_max <= FLT_MAX))
		ml_raise_full(b->ctx, ML_ERROR_INVALID_DATA, "the target or the weights are too large for boosting",
					  "Gradients are beyond single precision.", "Scale them down, or set learning_rate lower.");
	if (!(b->gradient_max >= FLT_MIN && b->hessian_max >= FLT_MIN))
		return 0;
	ml_parallel_for(b->ctx, n, BOOST_PIECE, pack_piece, b);
	return n;
}

/* ---- trees ---- */

/* Add a tree that was grown on so many rows to the scores; trees of a mean do not see one another. */
static void
add_tree(Boost *b, const MlTree *tree, size_t rows)
{
	double	   *score = b->rows.score + (size_t) b->output * b->rows.n;

	if (b->params->boosting == BOOST_RF)
		return;
	if (rows < b->rows.n)
		ml_grower_walk(b->grower, tree, b->rate, score);
	else
		ml_grower_add(b->grower, tree, b->rate, score);
}

/* Grow and keep one tree; returns its leaves. */
static int
grow_one(Boost *b, MlTree *tree)
{
	size_t		rows = take_gradients(b);

	tree->count = tree->leaves = 1;
	tree->set_words = 0;
	tree->nodes[0] = (MlTreeNode) {.feature = -1,.left = -1,.right = -1,.set = -1};
	if (rows > 0)
	{
		boost_sample_columns(b);
		ml_grower_grow(b->grower, rows, b->gradient_max / ML_TREE_GRADIENT_MAX, b->hessian_max / ML_TREE_HESSIAN_MAX,
					   b->use, tree);
		if (b->objective->by_quantile)
			boost_renew(b, tree);
		add_tree(b, tree, rows);
		if (b->held_bins != NULL)
			ml_tree_walk(b->ctx, b->held_bins, tree, b->rate, b->held.score + (size_t) b->output * b->held.n);
	}
	ml_forest_add(&b->forest, tree, NULL, b->rate);
	return tree->leaves;
}

/* Is the loss of a round better than that of another? */
static bool
is_better(const Boost *b, double loss, double than)
{
	return b->objective->loss == NULL ? loss > than : loss < than;
}

/* Note the loss of the rows held out; true when it is time to stop. */
static bool
stops_early(Boost *b)
{
	double		loss = boost_loss(b, &b->held);

	b->history[b->rounds - 1] = loss;
	if (b->best_round == 0 || is_better(b, loss, b->history[b->best_round - 1]))
		b->best_round = b->rounds;
	return b->rounds - b->best_round >= (size_t) b->params->early_stopping_rounds;
}

/* Tell how far it is, with the loss of the rows held out, else of those learned from. */
static void
report_round(const Boost *b)
{
	double		loss = NAN;

	if (!ml_progress_due(b->ctx))
		return;
	if (b->held_bins != NULL)
		loss = b->history[b->rounds - 1];
	else if (b->objective->loss != NULL && b->params->boosting != BOOST_RF)
		loss = boost_loss(b, &b->rows);
	if (b->held_bins != NULL)
		ml_progress_at_most(b->ctx, "fitting", b->rounds, (uint64_t) b->params->n_estimators, loss);
	else
		ml_progress(b->ctx, "fitting", b->rounds, (uint64_t) b->params->n_estimators, loss);
}

bool
boost_grow_round(Boost *b, MlTree *tree)
{
	size_t		before = b->forest.trees;
	bool		any = false;

	if (b->params->boosting == BOOST_DART)
		boost_dart_drop(b);
	boost_share(b);
	for (b->output = 0; b->output < b->k; b->output++)
		any |= grow_one(b, tree) > 1;
	if (b->params->boosting == BOOST_DART)
		boost_dart_restore(b);
	if (any || boost_by_chance(b))
		return true;
	ml_forest_truncate(&b->forest, before);
	return false;
}

void
boost_grow(Boost *b)
{
	MlTree		tree = {0};
	size_t		most = (size_t) b->params->max_leaf_nodes < b->rows.n ? (size_t) b->params->max_leaf_nodes : b->rows.n;

	tree.nodes = ml_alloc_array(b->ctx, 2 * most + 4, sizeof(MlTreeNode));
	if (boost_tries_rates(b))
		b->rate = b->learning_rate = boost_try_rates(b, &tree);
	for (int64_t round = 0; round < b->params->n_estimators; round++)
	{
		if (!boost_grow_round(b, &tree))
			break;
		b->rounds++;
		ml_check(b->ctx);
		if (b->held_bins != NULL && stops_early(b))
			break;
		report_round(b);
	}
	if (b->held_bins != NULL)
		ml_forest_truncate(&b->forest, b->first_tree + b->best_round * (size_t) b->k);
}

/* ---- before the first round ---- */

/* Bins and rows of what is held out, when early stopping asks for it. */
static void
take_held_out(Boost *b)
{
	const MlDesign *held = b->design->held_out;

	if (b->params->early_stopping_rounds == 0)
		return;
	if (held != NULL)
	{
		b->held_design = ml_design_weigh(b->ctx, held, b->class_weights);
		boost_take_rows(b->ctx, b->held_design, b->k, &b->held);
	}
	if (b->held.n == 0)
		ml_raise_full(b->ctx, ML_ERROR_INVALID_PARAMETER,
					  "there are no rows held out that early stopping could look at",
					  "It ends where the loss of other rows than the training's is least.",
					  "Hold some out by validation, or set early_stopping_rounds to 0.");
	if (b->objective->check != NULL)
		b->objective->check(b->ctx, &b->held);
	b->held_bins = ml_bins_like(b->ctx, b->bins, b->held_design);
	b->history = ml_alloc_array(b->ctx, (size_t) b->params->n_estimators, sizeof(double));
}

void
boost_fill_scores(const Boost *b, BoostRows *rows)
{
	for (size_t c = 0; c < (size_t) b->k; c++)
		for (size_t i = 0; i < rows->n; i++)
			rows->score[c * rows->n + i] = b->base[c] + (rows->start != NULL ? rows->start[i] : 0);
}

/* Find the constants and where scores begin, with the trees of a model when there is one. */
static void
find_scores(Boost *b, const MlEnsemble *from)
{
	b->base = ml_alloc_array(b->ctx, (size_t) b->k, sizeof(double));
	for (int c = 0; c < b->k; c++)
	{
		b->base[c] = from != NULL ? from->base[c] : b->rows.start != NULL ? 0 : b->objective->base(b, c);
		if (!isfinite(b->base[c]))
			ml_raise_full(b->ctx, ML_ERROR_INVALID_DATA, "the target or the weights are too large for boosting", NULL,
						  "Scale them down.");
	}
	boost_fill_scores(b, &b->rows);
	boost_fill_scores(b, &b->held);
	if (from == NULL || b->params->boosting == BOOST_RF)
		return;
	boost_add_scores(b->ctx, b->design, from->forest, b->k, &b->rows);
	if (b->held_bins != NULL)
		boost_add_scores(b->ctx, b->held_design, from->forest, b->k, &b->held);
}

/* Space for what this kind of boosting needs. */
static void
make_space(Boost *b)
{
	const BoostParams *p = b->params;
	MlContext  *ctx = b->ctx;
	size_t		n = b->rows.n;
	size_t		k = (size_t) b->k;
	size_t		most = n > b->held.n ? n : b->held.n;
	size_t		pieces = most / BOOST_PIECE + 1;

	b->piece_max = ml_alloc_array(ctx, 2 * pieces, sizeof(double));
	b->piece_loss = ml_alloc_array(ctx, 2 * pieces, sizeof(double));
	if (b->kind == BOOST_LOG_LOSS && b->k > 1)
	{
		b->share = ml_alloc_array(ctx, k * n, sizeof(float));
		b->scratch = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * k * ML_BLOCK_ROWS, sizeof(double));
	}
	if (b->objective->by_quantile)
		b->residuals = ml_alloc_array(ctx, n, sizeof(BoostWeighted));
	if (p->boosting == BOOST_DART)
	{
		b->dropped = ml_alloc_array(ctx, k * n, sizeof(double));
		b->drop = ml_alloc_array(ctx, (size_t) p->n_estimators, sizeof(size_t));
		b->round_weight = ml_alloc_array(ctx, (size_t) p->n_estimators, sizeof(double));
	}
	if (b->colsample < 1)
		b->use = ml_alloc_array_zero(ctx, (size_t) b->design->columns + 1, sizeof(bool));
}

/* How many scores a row has. */
static int
count_outputs(Boost *b)
{
	if (b->kind == BOOST_QUANTILE)
		return b->nquantiles = boost_quantiles(b->ctx, b->params, b->quantiles);
	return b->design->task == ML_TASK_MULTICLASS ? b->design->classes : 1;
}

/* Rows, objective and limits: what does not ask for bins. */
static void
begin_boost(Boost *b, MlContext *ctx, const MlDesign *design, const BoostParams *params, double learning_rate)
{
	const double *class_weights = boost_class_weights(ctx, design, params);

	*b = (Boost) {.ctx = ctx,.design = ml_design_weigh(ctx, design, class_weights),.params = params};
	b->kind = boost_objective_kind(params, design->task);
	b->objective = boost_objective(b->kind);
	b->k = count_outputs(b);
	b->learning_rate = !isnan(params->learning_rate) ? params->learning_rate :
		learning_rate > 0 ? learning_rate : BOOST_DEFAULT_RATE;
	b->rate = params->boosting == BOOST_RF ? 1 : b->learning_rate;
	boost_limits(ctx, params, design, &b->limits);
	if (isnan(params->l2))
		b->limits.l2 = b->kind == BOOST_LOG_LOSS && b->k == 1 ? BINARY_L2 : 0;
	if (b->objective->log_link && b->limits.max_delta_step == 0)
		b->limits.max_delta_step = LOG_LINK_STEP;
	boost_take_rows(ctx, b->design, b->k, &b->rows);
	if (b->rows.n == 0)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows sum to zero");
	boost_choose_samples(b);
	if (b->rows.start != NULL && b->k > 1)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  "parameter \"init_score\" gives one score a row, not one a class",
					  ml_format(ctx, "The target has %d classes.", b->k), "Leave it out.");
	if (b->objective->check != NULL)
		b->objective->check(ctx, &b->rows);
	boost_prepare_objective(b);
	ml_forest_start(&b->forest, ctx, 1);
	b->class_weights = class_weights;
}

void
boost_create(Boost *b, MlContext *ctx, const MlDesign *design, const BoostParams *params, const MlEnsemble *from,
			 double learning_rate)
{
	begin_boost(b, ctx, design, params, learning_rate);
	b->bins = ml_bins_create(ctx, b->design, (int) params->max_bins, ML_TREE_MAX_LEVELS, (uint64_t) params->seed);
	ml_bins_bundle(ctx, b->bins);
	take_held_out(b);
	if (b->kind == BOOST_LAMBDARANK)
		boost_rank_begin(b);
	make_space(b);
	b->grower = ml_grower_create(ctx, b->bins, &b->limits, b->rows.weight);
	b->gradients = (BoostGradient *) ml_grower_packed(b->grower);
	boost_place_rows(b);
	find_scores(b, from);
	if (from != NULL)
		ml_forest_copy(&b->forest, from->forest, from->forest->trees, NULL, NULL);
	b->first_tree = b->forest.trees;
}

void
boost_create_refit(Boost *b, MlContext *ctx, const MlDesign *design, const BoostParams *params, const MlEnsemble *from,
				   double learning_rate, double decay_rate)
{
	begin_boost(b, ctx, design, params, learning_rate);
	if (params->boosting == BOOST_DART || params->monotone_constraints != NULL)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
					  ml_format(ctx, "a model with parameter \"%s\" cannot be refitted",
								params->boosting == BOOST_DART ? "boosting" : "monotone_constraints"),
					  params->boosting == BOOST_DART ?
					  "What a tree of dart is multiplied by differs from tree to tree." :
					  "New values of leaves would not keep the order that was asked for.",
					  "Continue it, or train anew.");
	if (b->kind == BOOST_LAMBDARANK)
		boost_rank_begin(b);
	make_space(b);
	b->gradients = ml_alloc_array(ctx, b->rows.n, sizeof(BoostGradient));
	find_scores(b, NULL);
	for (int c = 0; c < b->k; c++)
		b->base[c] = decay_rate * from->base[c] + (1 - decay_rate) * b->base[c];
	boost_fill_scores(b, &b->rows);
}

/* ---- the model ---- */

void
boost_write(const Boost *b, MlWriter *w)
{
	ml_write_string(w, "objective", boost_objective_name(b->kind));
	ml_write_bool(w, "mean", b->params->boosting == BOOST_RF);
	ml_write_f64s(w, "quantiles", b->quantiles, (size_t) b->nquantiles);
	ml_write_f64s(w, "base", b->base, (size_t) b->k);
	ml_forest_write(&b->forest, w);
	ml_write_f64s(w, "history", b->history, b->held_bins != NULL ? b->rounds : 0);
	ml_write_object(w, "statistics");
	ml_write_int(w, "n_rows", (int64_t) b->rows.n);
	ml_write_int(w, "n_trees", (int64_t) b->forest.trees);
	ml_write_int(w, "n_leaves", (int64_t) b->forest.leaves);
	if (isnan(b->params->learning_rate) && b->params->boosting != BOOST_RF)
		ml_write_double(w, "learning_rate", b->learning_rate);
	if (isnan(b->params->subsample) && b->subsample < 1)
		ml_write_double(w, "subsample", b->subsample);
	if (isnan(b->params->colsample_bytree) && b->colsample < 1)
		ml_write_double(w, "colsample_bytree", b->colsample);
	if (b->kind == BOOST_HUBER)
		ml_write_double(w, "huber_delta", b->huber_delta);
	if (b->held_bins != NULL)
	{
		ml_write_int(w, "best_iteration", (int64_t) (b->forest.trees / (size_t) b->k));
		if (b->best_round > 0)
			ml_write_double(w, "best_score", b->history[b->best_round - 1]);
	}
	ml_write_end(w);
}
