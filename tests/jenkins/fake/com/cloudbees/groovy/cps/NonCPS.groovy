package com.cloudbees.groovy.cps

/** Replaces the annotation of Jenkins for methods that run as plain Groovy. */
@interface NonCPS { }
