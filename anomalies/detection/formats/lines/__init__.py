"""Lines of text: plain ones, and those in an envelope as syslog, klog, logcat or containers write them."""
