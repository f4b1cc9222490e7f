/*
 * How much a model's features matter: what its splits gain, how much a metric suffers when a feature is
 * shuffled (Breiman, Random Forests, 2001), and how large its contributions are.
 */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/threads.h"
#include "explain/explain.h"
#include "learn/forest.h"
#include "score/metrics.h"

/* ---- splits ---- */

/* Add to the slots that a prepared column is made of, in equal parts. */
static void
credit_gain(const MlPrep *prep, int column, double amount, double *slots)
{
	const MlTerm *term = ml_prep_term(prep, column);

	if (term == NULL)
		slots[ml_prep_column(prep, column)->slot] += amount;
	else
		for (int f = 0; f < term->count; f++)
			slots[term->factors[f].slot] += amount / term->count;
}

bool
ml_importance_splits(const MlModel *model, double *gain, double *splits)
{
	const MlEnsemble *ensemble = model->algorithm->ensemble != NULL ? model->algorithm->ensemble(model->loaded) : NULL;
	size_t		slots = (size_t) model->signature->slots;

	if (ensemble == NULL)
		return false;
	if (gain != NULL)
		memset(gain, 0, slots * sizeof(double));
	if (splits != NULL)
		memset(splits, 0, slots * sizeof(double));
	for (size_t i = 0; i < ensemble->forest->nodes; i++)
	{
		int			column = ensemble->forest->feature[i];

		if (column < 0)
			continue;
		if (gain != NULL)
			credit_gain(model->prep, column, ensemble->forest->gain[i], gain);
		if (splits != NULL)
			credit_gain(model->prep, column, 1, splits);
	}
	return true;
}

void
ml_importance_normalize(double *values, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i];
	for (size_t i = 0; i < n && sum != 0; i++)
		values[i] /= sum;
}

/* ---- permutation ---- */

const char *const *
ml_importance_metrics(MlTaskKind task, size_t *count)
{
	static const char *const regression[] = {"r2", "mae", "mse", "rmse", "mape", "median_absolute_error", "max_error"};
	static const char *const classes[] = {"log_loss", "accuracy", "balanced_accuracy", "precision", "recall", "f1",
	"roc_auc", "brier", "mcc", "average_precision"};
	static const char *const ranking[] = {"ndcg", "ndcg_at_10", "ndcg_at_5"};

	if (task == ML_TASK_RANKING)
	{
		*count = sizeof(ranking) / sizeof(ranking[0]);
		return ranking;
	}
	*count = task == ML_TASK_REGRESSION ? sizeof(regression) / sizeof(regression[0]) :
		sizeof(classes) / sizeof(classes[0]) - (task == ML_TASK_MULTICLASS);
	return task == ML_TASK_REGRESSION ? regression : classes;
}

typedef struct Shuffle
{
	const MlModel *model;
	MlRawRows  *rows;
	size_t		outputs;
	const uint64_t *group;		/* [rows] of a ranking, else NULL */
	double	   *out;			/* [outputs][rows] */
	double	   *scratch;		/* [threads][scratch_size] */
	size_t		scratch_size;
} Shuffle;

static void
score_blocks(void *arg, size_t begin, size_t end, int worker)
{
	const Shuffle *s = arg;

	for (size_t b = begin; b < end; b++)
		ml_model_score(s->model, s->rows->blocks[b], ML_BLOCK_ROWS, ml_raw_rows_in_block(s->rows, b),
					   s->out + b * ML_BLOCK_ROWS, s->rows->rows, s->scratch + (size_t) worker * s->scratch_size);
}

/* How bad the model's predictions of the rows are by a metric: the greater the worse. */
static double
loss(MlContext *ctx, Shuffle *s, const double *actual, const char *metric)
{
	MlMetric	metrics[ML_MAX_METRICS];
	size_t		n = s->rows->rows;
	int			count;

	ml_parallel_for(ctx, s->rows->nblocks, 1, score_blocks, s);
	if (s->group != NULL)
		count = ml_metrics_groups(ctx, actual, s->out, s->group, n, metrics);
	else if (s->model->signature->nclasses == 0)
		count = ml_metrics_regression(ctx, actual, s->out, NULL, n, metrics);
	else
		count = ml_metrics_decided(ctx, s->model->decision, (int) s->outputs, actual, s->out, NULL, n, metrics);
	for (int i = 0; i < count; i++)
		if (strcmp(metrics[i].name, metric) == 0)
			return metrics[i].greater_is_better ? -metrics[i].value : metrics[i].value;
	ml_raise(ctx, ML_ERROR_INTERNAL, "there is no metric \"%s\"", metric);
}

/* Put values into a slot of the rows in a random order (NULL: in their own). */
static void
put_values(MlRawRows *rows, size_t slot, const double *values, double *shuffled, uint64_t seed)
{
	MlRandom	random;

	memcpy(shuffled, values, rows->rows * sizeof(double));
	ml_random_seed(&random, seed);
	for (size_t i = rows->rows; i > 1; i--)
	{
		size_t		other = (size_t) ml_random_below(&random, i);
		double		value = shuffled[other];

		shuffled[other] = shuffled[i - 1];
		shuffled[i - 1] = value;
	}
	for (size_t i = 0; i < rows->rows; i++)
		*ml_raw_rows_at(rows, i, slot) = shuffled[i];
}

/* Is a slot one that the model's preparation reads at all? One that models have in common is. */
static bool
is_read(const MlModel *model, size_t slot)
{
	if (model->composite != NULL)
		return true;
	for (int j = 0; j < ml_prep_columns(model->prep) && !model->algorithm->no_features; j++)
		if (ml_prep_reads(model->prep, j, (int) slot))
			return true;
	return false;
}

void
ml_importance_permutation(MlContext *ctx, const MlModel *model, MlRawRows *rows, const double *actual,
						  const uint64_t *group, const char *metric, int repeats, uint64_t seed, double *mean,
						  double *deviation)
{
	size_t		n = rows->rows;
	Shuffle		s = {.model = model,.rows = rows,.group = group,.outputs = (size_t) ml_model_outputs(model)};
	double	   *values = ml_alloc_array(ctx, n, sizeof(double));
	double	   *shuffled = ml_alloc_array(ctx, n, sizeof(double));
	double		best;

	s.scratch_size = ml_model_scratch(model, ML_BLOCK_ROWS);
	s.scratch = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx), s.scratch_size * sizeof(double));
	s.out = ml_alloc_array(ctx, s.outputs, n * sizeof(double));
	best = loss(ctx, &s, actual, metric);
	for (size_t slot = 0; slot < rows->slots; slot++)
	{
		double		square = 0;

		mean[slot] = deviation[slot] = best - best;
		if (!is_read(model, slot))
			continue;
		for (size_t i = 0; i < n; i++)
			values[i] = *ml_raw_rows_at(rows, i, slot);
		for (int r = 0; r < repeats; r++)
		{
			double		worse;
			double		before = mean[slot];

			put_values(rows, slot, values, shuffled,
					   ml_mix64(seed) ^ ml_mix64(slot * (uint64_t) repeats + (uint64_t) r));
			worse = loss(ctx, &s, actual, metric) - best;
			mean[slot] += (worse - before) / (r + 1);
			square += (worse - before) * (worse - mean[slot]);
		}
		deviation[slot] = sqrt(square / repeats);
		for (size_t i = 0; i < n; i++)
			*ml_raw_rows_at(rows, i, slot) = values[i];
		ml_progress(ctx, "shuffling", (uint64_t) slot + 1, (uint64_t) rows->slots, NAN);
	}
	ml_free(ctx, s.out);
	ml_free(ctx, s.scratch);
	ml_free(ctx, shuffled);
	ml_free(ctx, values);
}

/* ---- contributions ---- */

void
ml_shap_sums_init(MlContext *ctx, MlShapSums *sums, const MlModel *model)
{
	sums->slots = (size_t) model->signature->slots;
	sums->rows = 0;
	sums->sum = ml_alloc_array_zero(ctx, sums->slots + 1, sizeof(double));
	sums->square = ml_alloc_array_zero(ctx, sums->slots + 1, sizeof(double));
}

void
ml_shap_sums_add(MlShapSums *sums, int count, const double *contributions, size_t ld, size_t n)
{
	for (size_t s = 0; s < sums->slots; s++)
		for (size_t i = 0; i < n; i++)
		{
			double		size = 0;
			double		rows = (double) (sums->rows + i + 1);
			double		before = sums->sum[s];

			for (int c = 0; c < count; c++)
				size += fabs(contributions[((size_t) c * sums->slots + s) * ld + i]);
			/* sum is the mean so far, square the squared deviations from it (Welford) */
			sums->sum[s] += (size - before) / rows;
			sums->square[s] += (size - before) * (size - sums->sum[s]);
		}
	sums->rows += n;
}

void
ml_shap_sums_finish(const MlShapSums *sums, double *mean, double *deviation)
{
	for (size_t s = 0; s < sums->slots; s++)
	{
		mean[s] = sums->sum[s];
		deviation[s] = sqrt(sums->square[s] / (double) sums->rows);
	}
}
