"""Graph -> Plan: operators fused into kernels, sizes chosen, features assigned to lanes."""
