/*
 * The settings of the extension (GUCs with prefix mlaas).
 */
#ifndef MLAAS_MODULE_H
#define MLAAS_MODULE_H

/* kB that one training or aggregate may hold; 0 = no limit */
extern int	mlaas_max_memory;

/* threads that one call may use, the backend itself included; 0 = all cores */
extern int	mlaas_max_threads;

/* kB of opened models that a backend keeps between statements */
extern int	mlaas_model_cache;

/* kB, and rows, that one request for predictions may send; 0 = no limit */
extern int	mlaas_max_request_size;
extern int	mlaas_max_request_rows;

#endif
