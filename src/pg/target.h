/*
 * The target column of a source whose rows a model is held against.
 */
#ifndef MLAAS_TARGET_H
#define MLAAS_TARGET_H

#include "postgres.h"

#include "model/model.h"
#include "pg/source.h"
#include "pg/values.h"

typedef struct TargetReader
{
	const MlModel *model;
	int			column;			/* of the slot */
	bool		classes;		/* a classifier */
	ValueReader reader;
} TargetReader;

/*
 * Set up for the target column, which is read as column number place of the slot; its number in the source goes to
 * *column.  Errors: no such column, a type that cannot be a target.
 */
extern void target_reader_init(TargetReader *target, const MlModel *model, const Source *source, int place,
							   int *column);

/*
 * Set up for the column of groups of a ranking, which is read as column number place of the slot; its number in the
 * source goes to *column.
 */
typedef struct GroupReader
{
	int			column;			/* of the slot */
	ValueReader reader;
} GroupReader;

extern void group_reader_init(GroupReader *group, const MlModel *model, const Source *source, int place, int *column);

/* A hash of the group that a row is of; an error where it is NULL. */
extern uint64 group_read(GroupReader *group, const TupleTableSlot *slot);

/* The number of a value that is not NULL, or its class; -1 = a class that the model does not know. */
extern double target_read(TargetReader *target, Datum value);

#endif
