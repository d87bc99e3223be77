PYTHON ?= $(firstword $(foreach p,python3.13 python3.12 python3.11 python3.14 python3,$(shell command -v $(p) 2>/dev/null)))

ext:
	GPUDL_EXTENSION=required CMAKE_BUILD_PARALLEL_LEVEL=2 $(PYTHON) setup.py -q build_ext --inplace
