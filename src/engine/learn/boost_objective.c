/*
 * The objectives of boosting but the ranking: targets that each has a loss for, the constant it is least for, the loss
 * of a row and its first two derivatives by the score F.
 *
 *   squared_error   (F - y)^2 / 2                                          mean
 *   absolute_error  |F - y|                          second derivative 1   median
 *   huber           r^2 / 2 up to |r| = delta, then delta (|r| - delta / 2), r = F - y
 *   quantile        a (y - F) above F, (1 - a) (F - y) below               quantile a; second derivative 1
 *   poisson         exp(F) - y F                                           log of the mean
 *   gamma           F + y exp(-F)                                          log of the mean
 *   tweedie         exp((2 - q) F) / (2 - q) - y exp((1 - q) F) / (1 - q)  log of the mean; 1 < q < 2
 *   log_loss        log(1 + exp(-s F)); -log softmax(F)[y]                 log odds; logarithms of the shares
 *   ovr             log(1 + exp(-s F)) of each class against the others    log odds of each
 *
 * Softmax's second derivative is p (1 - p) times classes / (classes - 1), since scores that grow alike change
 * nothing.  Where the second derivative is none (absolute_error, quantile) leaves get their values from the residuals
 * themselves (boost_leaf.c).
 */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "learn/boost_internal.h"
#include "learn/logistic_internal.h"

#define HUBER_SHARE 0.9			/* of the rows' distances that delta is above, by default */
#define HUBER_STEPS 60			/* halvings of the interval that its constant is in */

static inline double
weight_of(const BoostRows *rows, size_t i)
{
	return rows->weight != NULL ? rows->weight[i] : 1;
}

/* ---- constants ---- */

/* The weighted mean of the target, or of the rows of class c. */
static double
mean_target(const BoostRows *rows, int c)
{
	double		sum = 0;
	double		total = 0;

	for (size_t i = 0; i < rows->n; i++)
	{
		sum += weight_of(rows, i) * (c < 0 ? rows->target[i] : rows->target[i] == c);
		total += weight_of(rows, i);
	}
	return sum / total;
}

static double
base_mean(const Boost *b, int c)
{
	(void) c;
	return mean_target(&b->rows, -1);
}

static double
base_log_mean(const Boost *b, int c)
{
	double		mean = mean_target(&b->rows, -1);

	(void) c;
	if (!(mean > 0))
		ml_raise(b->ctx, ML_ERROR_INVALID_DATA, "the target is zero in every training row that has weight");
	return log(mean);
}

/* The log odds of a class; one of no weight is not impossible, but next to that. */
static double
base_log_odds(const Boost *b, int c)
{
	double		share = mean_target(&b->rows, b->k == 1 ? 1 : c);

	return log(fmax(share, 1e-15)) - log(fmax(1 - share, 1e-15));
}

static double
base_log_share(const Boost *b, int c)
{
	return b->k == 1 ? base_log_odds(b, c) : log(fmax(mean_target(&b->rows, c), 1e-15));
}

static double
base_zero(const Boost *b, int c)
{
	(void) b;
	(void) c;
	return 0;
}

/* A quantile of the target, or of its distances from a value. */
static double
target_quantile(const Boost *b, double level, bool distance, double from)
{
	BoostWeighted *values = ml_alloc_array(b->ctx, b->rows.n + 1, sizeof(BoostWeighted));
	double		quantile;

	for (size_t i = 0; i < b->rows.n; i++)
		values[i] = (BoostWeighted) {
		distance ? fabs(b->rows.target[i] - from) : b->rows.target[i], weight_of(&b->rows, i)
		};
	quantile = boost_weighted_quantile(values, b->rows.n, level);
	ml_free(b->ctx, values);
	return quantile;
}

static double
base_quantile(const Boost *b, int c)
{
	return target_quantile(b, b->quantiles[c], false, 0);
}

/* Where the clipped residuals add up to nothing. */
static double
base_huber(const Boost *b, int c)
{
	double		median = target_quantile(b, 0.5, false, 0);
	double		low = median - b->huber_delta;
	double		high = median + b->huber_delta;

	(void) c;
	for (int step = 0; step < HUBER_STEPS && low < high; step++)
	{
		double		middle = low / 2 + high / 2;
		double		sum = 0;

		for (size_t i = 0; i < b->rows.n; i++)
			sum += weight_of(&b->rows, i) * fmax(fmin(middle - b->rows.target[i], b->huber_delta), -b->huber_delta);
		if (sum > 0)
			high = middle;
		else
			low = middle;
		ml_check(b->ctx);
	}
	return low / 2 + high / 2;
}

/* ---- derivatives ---- */

static void
squared_error_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	const double *score = b->rows.score + (size_t) c * b->rows.n + begin;

	for (size_t i = 0; i < n; i++)
	{
		g[i] = score[i] - b->rows.target[begin + i];
		h[i] = 1;
	}
}

static void
huber_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	squared_error_gradients(b, c, begin, n, g, h);
	for (size_t i = 0; i < n; i++)
		g[i] = fmax(fmin(g[i], b->huber_delta), -b->huber_delta);
}

/* Of absolute_error too: twice the loss of the median. */
static void
quantile_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	double		level = b->quantiles[c];
	double		size = b->kind == BOOST_ABSOLUTE_ERROR ? 2 : 1;

	squared_error_gradients(b, c, begin, n, g, h);
	for (size_t i = 0; i < n; i++)
		g[i] = size * (g[i] > 0 ? 1 - level : g[i] < 0 ? -level : 0);
}

static void
poisson_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	(void) c;
	for (size_t i = 0; i < n; i++)
	{
		h[i] = exp(b->rows.score[begin + i]);
		g[i] = h[i] - b->rows.target[begin + i];
	}
}

static void
gamma_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	(void) c;
	for (size_t i = 0; i < n; i++)
	{
		h[i] = b->rows.target[begin + i] * exp(-b->rows.score[begin + i]);
		g[i] = 1 - h[i];
	}
}

static void
tweedie_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	double		q = b->params->tweedie_variance_power;

	(void) c;
	for (size_t i = 0; i < n; i++)
	{
		double		up = exp((2 - q) * b->rows.score[begin + i]);
		double		down = b->rows.target[begin + i] * exp((1 - q) * b->rows.score[begin + i]);

		g[i] = up - down;
		h[i] = (2 - q) * up + (q - 1) * down;
	}
}

/* One class against the others; y is 0 or 1. */
static void
logistic_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	const double *y = b->rows.target + begin;
	double		yes = b->k == 1 ? 1 : c;

	memcpy(g, b->rows.score + (size_t) c * b->rows.n + begin, n * sizeof(double));
	logistic_sigmoid(h, g, n);
	for (size_t i = 0; i < n; i++)
	{
		h[i] = g[i] * h[i];
		g[i] -= y[i] == yes;
	}
}

static void
log_loss_gradients(const Boost *b, int c, size_t begin, size_t n, double *g, double *h)
{
	const float *share;
	double		factor = (double) b->k / (b->k - 1);

	if (b->k == 1)
	{
		logistic_gradients(b, c, begin, n, g, h);
		return;
	}
	share = b->share + (size_t) c * b->rows.n + begin;
	for (size_t i = 0; i < n; i++)
	{
		double		p = share[i];

		g[i] = p - (b->rows.target[begin + i] == c);
		h[i] = p * (1 - p) * factor;
	}
}

/* ---- losses ---- */

static void
squared_error_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	(void) b;
	(void) ld;
	for (size_t i = 0; i < n; i++)
		out[i] = (score[i] - y[i]) * (score[i] - y[i]) / 2;
}

static void
huber_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	(void) ld;
	for (size_t i = 0; i < n; i++)
	{
		double		r = fabs(score[i] - y[i]);

		out[i] = r <= b->huber_delta ? r * r / 2 : b->huber_delta * (r - b->huber_delta / 2);
	}
}

/* The sum over the quantiles. */
static void
quantile_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	double		size = b->kind == BOOST_ABSOLUTE_ERROR ? 2 : 1;

	for (size_t i = 0; i < n; i++)
	{
		out[i] = 0;
		for (int c = 0; c < b->k; c++)
		{
			double		r = score[(size_t) c * ld + i] - y[i];

			out[i] += size * (r > 0 ? (1 - b->quantiles[c]) * r : -b->quantiles[c] * r);
		}
	}
}

static void
poisson_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	(void) b;
	(void) ld;
	for (size_t i = 0; i < n; i++)
		out[i] = exp(score[i]) - y[i] * score[i];
}

static void
gamma_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	(void) b;
	(void) ld;
	for (size_t i = 0; i < n; i++)
		out[i] = score[i] + y[i] * exp(-score[i]);
}

static void
tweedie_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	double		q = b->params->tweedie_variance_power;

	(void) ld;
	for (size_t i = 0; i < n; i++)
		out[i] = exp((2 - q) * score[i]) / (2 - q) - y[i] * exp((1 - q) * score[i]) / (1 - q);
}

/* log(1 + exp(z)) without an overflow. */
static double
softplus(double z)
{
	return fmax(z, 0) + log1p(exp(-fabs(z)));
}

/* Each class against the others, summed; of two classes just once. */
static void
logistic_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	for (size_t i = 0; i < n; i++)
	{
		out[i] = 0;
		for (int c = 0; c < b->k; c++)
		{
			double		z = score[(size_t) c * ld + i];

			out[i] += softplus(y[i] == (b->k == 1 ? 1 : c) ? -z : z);
		}
	}
}

static void
log_loss_loss(const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out)
{
	if (b->k == 1)
	{
		logistic_loss(b, score, ld, y, n, out);
		return;
	}
	for (size_t i = 0; i < n; i++)
	{
		double		top = score[i];
		double		sum = 0;

		for (int c = 1; c < b->k; c++)
			top = fmax(top, score[(size_t) c * ld + i]);
		for (int c = 0; c < b->k; c++)
			sum += exp(score[(size_t) c * ld + i] - top);
		/* no model knows a class that only rows held out are of */
		out[i] = y[i] < 0 ? 0 : log(sum) + top - score[(size_t) y[i] * ld + i];
	}
}

/* ---- targets ---- */

/* Raises when rows have a target below low, or at it where it may not be. */
static void
check_least(MlContext *ctx, const BoostRows *rows, bool zero, const char *objective)
{
	size_t		wrong = 0;

	for (size_t i = 0; i < rows->n; i++)
		wrong += !(rows->target[i] > 0 || (zero && rows->target[i] == 0));
	if (wrong > 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "objective \"%s\" needs a target that is %s", objective,
								zero ? "not negative" : "positive"),
					  ml_format(ctx, "The target is %s in %zu of %zu rows.", zero ? "negative" : "zero or negative",
								wrong, rows->n),
					  "Filter these rows out, or choose another objective.");
}

static void
poisson_check(MlContext *ctx, const BoostRows *rows)
{
	check_least(ctx, rows, true, "poisson");
}

static void
gamma_check(MlContext *ctx, const BoostRows *rows)
{
	check_least(ctx, rows, false, "gamma");
}

static void
tweedie_check(MlContext *ctx, const BoostRows *rows)
{
	check_least(ctx, rows, true, "tweedie");
}

/* ---- the table ---- */

const BoostObjective *
boost_objective(BoostObjectiveKind kind)
{
	static const BoostObjective table[] = {
		[BOOST_SQUARED_ERROR] = {.base = base_mean,.differentiate = squared_error_gradients,.loss = squared_error_loss},
		[BOOST_ABSOLUTE_ERROR] = {.base = base_quantile,.differentiate = quantile_gradients,.loss = quantile_loss,
		.by_quantile = true},
		[BOOST_HUBER] = {.base = base_huber,.differentiate = huber_gradients,.loss = huber_loss},
		[BOOST_QUANTILE] = {.base = base_quantile,.differentiate = quantile_gradients,.loss = quantile_loss,
		.by_quantile = true},
		[BOOST_POISSON] = {.check = poisson_check,.base = base_log_mean,.differentiate = poisson_gradients,
		.loss = poisson_loss,.log_link = true},
		[BOOST_GAMMA] = {.check = gamma_check,.base = base_log_mean,.differentiate = gamma_gradients,
		.loss = gamma_loss,.log_link = true},
		[BOOST_TWEEDIE] = {.check = tweedie_check,.base = base_log_mean,.differentiate = tweedie_gradients,
		.loss = tweedie_loss,.log_link = true},
		[BOOST_LOG_LOSS] = {.base = base_log_share,.differentiate = log_loss_gradients,.loss = log_loss_loss},
		[BOOST_OVR] = {.base = base_log_odds,.differentiate = logistic_gradients,.loss = logistic_loss},
		[BOOST_LAMBDARANK] = {.check = boost_rank_check,.base = base_zero},
	};

	return &table[kind];
}

void
boost_prepare_objective(Boost *b)
{
	if (b->kind == BOOST_ABSOLUTE_ERROR)
		b->quantiles[0] = 0.5;
	if (b->kind == BOOST_HUBER)
	{
		b->huber_delta = b->params->huber_delta;
		if (b->huber_delta == 0)
			b->huber_delta = target_quantile(b, HUBER_SHARE, true, target_quantile(b, 0.5, false, 0));
		/* so many rows are at the median that none but them would count */
		if (!(b->huber_delta > 0))
			ml_raise_full(b->ctx, ML_ERROR_INVALID_DATA, "objective \"huber\" finds no scale of the target",
						  "At least nine tenths of the target's values are the same.", "Set huber_delta.");
	}
}

/* ---- passes ---- */

/* The classes' probabilities of some rows at the begin of a round. */
static void
share_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;
	double	   *p = b->scratch + (size_t) worker * (size_t) b->k * ML_BLOCK_ROWS;

	for (size_t row = begin; row < end; row += ML_BLOCK_ROWS)
	{
		size_t		n = end - row < ML_BLOCK_ROWS ? end - row : ML_BLOCK_ROWS;

		for (size_t c = 0; c < (size_t) b->k; c++)
			memcpy(p + c * ML_BLOCK_ROWS, b->rows.score + c * b->rows.n + row, n * sizeof(double));
		logistic_softmax(p, ML_BLOCK_ROWS, b->k, n);
		for (size_t c = 0; c < (size_t) b->k; c++)
			for (size_t i = 0; i < n; i++)
				b->share[c * b->rows.n + row + i] = (float) p[c * ML_BLOCK_ROWS + i];
	}
}

void
boost_share(Boost *b)
{
	if (b->share != NULL)
		ml_parallel_for(b->ctx, b->rows.n, BOOST_PIECE, share_piece, b);
}

static void
differentiate_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;
	BoostGradient *out = b->gradients;
	double		g[ML_BLOCK_ROWS];
	double		h[ML_BLOCK_ROWS];

	(void) worker;
	for (size_t row = begin; row < end; row += ML_BLOCK_ROWS)
	{
		size_t		n = end - row < ML_BLOCK_ROWS ? end - row : ML_BLOCK_ROWS;

		b->objective->differentiate(b, b->output, row, n, g, h);
		for (size_t i = 0; i < n && b->rows.weight != NULL; i++)
		{
			g[i] *= b->rows.weight[row + i];
			h[i] *= b->rows.weight[row + i];
		}
		for (size_t i = 0; i < n; i++)
			out[row + i] = (BoostGradient) {(float) g[i], (float) h[i]};
	}
}

void
boost_differentiate(Boost *b)
{
	if (b->objective->differentiate == NULL)
		boost_rank_differentiate(b);
	else
		ml_parallel_for(b->ctx, b->rows.n, BOOST_PIECE, differentiate_piece, b);
}

typedef struct LossJob
{
	const Boost *b;
	const BoostRows *rows;
} LossJob;

static void
loss_piece(void *arg, size_t begin, size_t end, int worker)
{
	LossJob    *job = arg;
	const BoostRows *rows = job->rows;
	double		loss[ML_BLOCK_ROWS];
	double		sum = 0;
	double		weight = 0;

	(void) worker;
	for (size_t row = begin; row < end; row += ML_BLOCK_ROWS)
	{
		size_t		n = end - row < ML_BLOCK_ROWS ? end - row : ML_BLOCK_ROWS;

		job->b->objective->loss(job->b, rows->score + row, rows->n, rows->target + row, n, loss);
		for (size_t i = 0; i < n; i++)
		{
			sum += weight_of(rows, row + i) * loss[i];
			weight += weight_of(rows, row + i);
		}
	}
	job->b->piece_loss[begin / BOOST_PIECE * 2] = sum;
	job->b->piece_loss[begin / BOOST_PIECE * 2 + 1] = weight;
}

double
boost_loss(const Boost *b, const BoostRows *rows)
{
	LossJob		job = {b, rows};
	double		sum = 0;
	double		weight = 0;

	if (b->objective->loss == NULL)
		return boost_rank_ndcg(b, rows);
	ml_parallel_for(b->ctx, rows->n, BOOST_PIECE, loss_piece, &job);
	for (size_t i = 0; i < (rows->n + BOOST_PIECE - 1) / BOOST_PIECE; i++)
	{
		sum += b->piece_loss[2 * i];
		weight += b->piece_loss[2 * i + 1];
	}
	return sum / weight;
}
