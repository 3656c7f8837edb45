"""Experiments that run methods: on models changed, evaluations mended, costs."""
