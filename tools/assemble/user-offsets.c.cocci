// User-mode Linux keeps the registers of a process in a buffer of fixed length,
// and can not run where the CPU has more of them (AMX): the host refuses to
// take back less than all. A longer buffer does for any host.
@registers@
@@
-DEFINE_LONGS(HOST_FP_SIZE, 2696);
+DEFINE_LONGS(HOST_FP_SIZE, 12288);
