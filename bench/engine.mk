# The engine without a server, driven by bench/engine.c.  Run from the checkout's root:
#
#   make -f bench/engine.mk bench-engine      build .build/plain/bench_engine, compiled as for the server

include test/engine.mk

.PHONY: bench-engine
bench-engine: $(BUILD)/bench_engine

$(BUILD)/bench_engine: bench/engine.c $(BUILD)/libengine.a $(HEADERS)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(VARIANT_FLAGS) -o $@ $< $(BUILD)/libengine.a $(LIBS)
