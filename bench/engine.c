/*
 * The engine alone, on data in memory: what learning and scoring take without a server around them.
 *
 * Reads commands, one a line, and answers each with one line of JSON:
 *
 *   load CLASSES ROWS COLUMNS PATH          numbers from a file: doubles, column after column, the target last
 *   synthetic CLASSES ROWS COLUMNS          numbers made up as they are read
 *   fit THREADS ALGORITHM PARAMS            learn from them, PARAMS as JSON; {"seconds", "first", "peak"}
 *   score THREADS                           score all rows with what was learned; {"seconds", "loss"}
 *
 * CLASSES is 0 for regression.  first: seconds until the first progress was told of (after the first tree);
 * peak: bytes allocated at once; loss: the mean log loss, or the root of the mean squared error.
 */
#include "unit.h"

#include <time.h>

#include "base/random.h"
#include "base/threads.h"
#include "learn/learner.h"

/* The rows, and what was learned from the last of them. */
typedef struct Bench
{
	MlDesign	design;
	double	   *x;				/* [columns][rows]; NULL = made up */
	double	   *target;			/* [rows] */
	double	   *center;			/* [columns] zeros */
	double	   *scale;			/* [columns] ones */
	int		   *levels;			/* [columns] zeros */
	MlContext  *ctx;			/* of the model */
	const MlAlgorithm *algorithm;
	const MlNode *payload;
	const void *loaded;
	double	   *out;			/* [outputs][rows] */
} Bench;

static double fit_begin;
static double fit_first;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Uniform numbers from -2 to 2 that depend on row and column only. */
static double
made_up(uint64_t row, uint64_t column)
{
	return (double) (ml_mix64(row << 12 | column) >> 40) * 0x1p-22 - 2.0;
}

static void
read_made_up(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	for (size_t j = 0; j < (size_t) design->columns; j++)
		for (size_t i = 0; i < n; i++)
			x[j * ldx + i] = made_up(begin + i, j);
}

static void
read_memory(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	for (size_t j = 0; j < (size_t) design->columns; j++)
		memcpy(x + j * ldx, (const double *) design->source + j * design->rows + begin, n * sizeof(double));
}

/* A target that depends on five columns and on chance. */
static double
made_up_target(uint64_t row, int columns, int classes)
{
	double		score = 1.5 * made_up(row, 0) * made_up(row, 1 % (uint64_t) columns) + made_up(row, 2 % (uint64_t) columns)
		+ sin(2 * made_up(row, 3 % (uint64_t) columns)) * made_up(row, 4 % (uint64_t) columns);
	double		chance = made_up(row, 4095) / 4 + 0.5;

	if (classes == 0)
		return score + 4 * chance;
	if (classes == 2)
		return chance < 1 / (1 + exp(-score));
	return floor(fmin(fmax((score + 8 * chance) / 12 + 0.2, 0), 0.999) * classes);
}

/* Forget the rows and what was learned. */
static void
forget(Bench *b)
{
	unit_release_since(NULL);
	free(b->x);
	free(b->target);
	free(b->center);
	free(b->scale);
	free(b->levels);
	free(b->out);
	*b = (Bench) {0};
}

static void
set_rows(Bench *b, int classes, size_t rows, int columns)
{
	size_t		p = (size_t) columns;

	forget(b);
	b->target = unit_malloc(rows * sizeof(double));
	b->center = unit_malloc(p * sizeof(double));
	b->scale = unit_malloc(p * sizeof(double));
	b->levels = unit_malloc(p * sizeof(int));
	b->out = unit_malloc((size_t) (classes > 0 ? classes : 1) * rows * sizeof(double));
	for (size_t j = 0; j < p; j++)
	{
		b->center[j] = 0;
		b->scale[j] = 1;
		b->levels[j] = 0;
	}
	b->design = (MlDesign) {
		.rows = rows,.columns = columns,.target = b->target,.classes = classes,.center = b->center,
		.scale = b->scale,.levels = b->levels,.read = read_made_up,
		.task = classes == 0 ? ML_TASK_REGRESSION : classes == 2 ? ML_TASK_BINARY : ML_TASK_MULTICLASS,
	};
}

static void
load_rows(Bench *b, int classes, size_t rows, int columns, const char *path)
{
	size_t		values = rows * (size_t) columns;
	FILE	   *file = fopen(path, "rb");

	set_rows(b, classes, rows, columns);
	b->x = unit_malloc(values * sizeof(double));
	if (file == NULL || fread(b->x, sizeof(double), values, file) != values ||
		fread(b->target, sizeof(double), rows, file) != rows)
		unit_fatal("cannot read the rows");
	fclose(file);
	b->design.read = read_memory;
	b->design.source = b->x;
}

static void
make_rows(Bench *b, int classes, size_t rows, int columns)
{
	set_rows(b, classes, rows, columns);
	for (size_t i = 0; i < rows; i++)
		b->target[i] = made_up_target(i, columns, classes);
}

static bool
progress_is_due(MlContext *ctx)
{
	(void) ctx;
	return fit_first < 0;
}

static void
note_progress(MlContext *ctx, const MlProgress *progress)
{
	(void) ctx;
	/* a trial of a learning rate is not yet a tree of the model */
	if (fit_first < 0 && strcmp(progress->phase, "fitting") == 0)
		fit_first = now() - fit_begin;
}

static void
fit_rows(Bench *b, int threads, const char *algorithm, const char *params)
{
	MlWriter   *w;
	const void *parsed;
	size_t		size;
	double		taken;

	unit_release_since(NULL);
	b->loaded = NULL;
	b->ctx = unit_context(threads);
	b->ctx->progress_due = progress_is_due;
	b->ctx->progress = note_progress;
	b->algorithm = ml_algorithm_by_name(b->ctx, algorithm);
	parsed = ml_params_parse(b->ctx, b->algorithm, params);
	w = ml_writer_create(b->ctx);
	fit_first = -1;
	fit_begin = now();
	b->algorithm->fit(b->ctx, &b->design, parsed, w);
	taken = now() - fit_begin;
	b->payload = ml_document_root(ml_writer_finish(w, &size));
	printf("{\"seconds\": %.6f, \"first\": %.6f, \"peak\": %zu}\n", taken, fit_first < 0 ? taken : fit_first,
		   b->ctx->peak_memory);
}

static void
score_piece(void *arg, size_t begin, size_t end, int worker)
{
	const Bench *b = arg;

	(void) worker;
	b->algorithm->score(b->loaded, b->x + begin, b->design.rows, end - begin, b->out + begin, b->design.rows);
}

/* The mean loss of the scores, to tell a fast answer from a right one. */
static double
loss(const Bench *b)
{
	size_t		n = b->design.rows;
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		y = b->target[i];

		if (b->design.classes == 0)
			sum += (b->out[i] - y) * (b->out[i] - y);
		else
			sum -= log(fmax(b->out[(size_t) y * n + i], 1e-15));
	}
	return b->design.classes == 0 ? sqrt(sum / (double) n) : sum / (double) n;
}

static void
score_rows(Bench *b, int threads)
{
	MlShape		shape = {
		.columns = b->design.columns,.task = b->design.task,.classes = b->design.classes,.center = b->center,
		.scale = b->scale,.levels = b->levels,
	};
	double		begin;
	double		taken;

	if (b->ctx == NULL || b->x == NULL)
		unit_fatal("nothing to score");
	b->ctx->max_threads = threads;
	if (b->loaded == NULL)
		b->loaded = b->algorithm->load(b->ctx, b->payload, &shape);
	begin = now();
	ml_parallel_for(b->ctx, b->design.rows, ML_BLOCK_ROWS, score_piece, b);
	taken = now() - begin;
	printf("{\"seconds\": %.6f, \"loss\": %.9f}\n", taken, loss(b));
}

int
main(void)
{
	Bench		b = {0};
	char		line[4096];
	char		word[256];
	int			classes;
	int			columns;
	int			threads;
	int			at;
	size_t		rows;

	while (fgets(line, sizeof line, stdin) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "load %d %zu %d %n", &classes, &rows, &columns, &at) == 3)
			load_rows(&b, classes, rows, columns, line + at);
		else if (sscanf(line, "synthetic %d %zu %d", &classes, &rows, &columns) == 3)
			make_rows(&b, classes, rows, columns);
		else if (sscanf(line, "fit %d %255s %n", &threads, word, &at) == 2)
			fit_rows(&b, threads, word, line + at);
		else if (sscanf(line, "score %d", &threads) == 1)
			score_rows(&b, threads);
		else
			unit_fatal("a command that is none");
		if (strncmp(line, "load", 4) == 0 || strncmp(line, "synthetic", 9) == 0)
			printf("{}\n");
		fflush(stdout);
	}
	forget(&b);
	return 0;
}
