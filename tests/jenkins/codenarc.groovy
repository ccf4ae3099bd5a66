// Rules for the library and its tests. Each exclusion has its reason beside it.
ruleset {
    ruleset('rulesets/basic.xml') {
        exclude 'ClassForName'                          // in tests
        exclude 'EmptyClass'                            // in tests: replacements for classes of Jenkins
    }
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/concurrency.xml') {
        exclude 'ThreadYield'                           // the tests wait until a thread is queued
        exclude 'SynchronizedMethod'
    }
    ruleset('rulesets/design.xml') {
        exclude 'Instanceof'                            // the type of external data is unknown
        exclude 'ReturnsNullInsteadOfEmptyCollection'   // null means that there is no value
        exclude 'BuilderMethodWithSideEffects'          // Jenkins defines the names
        exclude 'AbstractClassWithoutAbstractMethod'    // scripts are abstract classes
        exclude 'AbstractClassWithPublicConstructor'
    }
    ruleset('rulesets/exceptions.xml') {
        exclude 'CatchThrowable'                        // an error in recording must not stop the build
        exclude 'CatchException'
        exclude 'ReturnNullFromCatchBlock'              // null means that there is no value
    }
    ruleset('rulesets/formatting.xml') {
        LineLength { length = 150 }
        SpaceAroundMapEntryColon { characterAfterColonRegex = /\s/ }
        exclude 'SpaceAfterClosingBrace'                // as in }.join()
    }
    ruleset('rulesets/generic.xml')
    ruleset('rulesets/groovyism.xml') {
        exclude 'GStringExpressionWithinString'         // Jenkinsfiles in tests are text
    }
    ruleset('rulesets/imports.xml')
    ruleset('rulesets/naming.xml') {
        exclude 'FactoryMethodName'                     // Jenkins defines the names
        exclude 'ConfusingMethodName'
        exclude 'VariableName'                          // it takes fields of a script for constants
    }
    ruleset('rulesets/security.xml') {
        exclude 'JavaIoPackageAccess'                   // in tests
        exclude 'SystemExit'
        exclude 'FileCreateTempFile'
    }
    ruleset('rulesets/serialization.xml')
    ruleset('rulesets/unnecessary.xml') {
        exclude 'UnnecessaryReturnKeyword'              // the code style uses explicit returns
        exclude 'UnnecessarySubstring'                  // the sandbox allows substring
        exclude 'UnnecessaryObjectReferences'           // a series of calls on the suite
    }
    ruleset('rulesets/unused.xml') {
        exclude 'UnusedVariable'                        // fields of a script
        exclude 'UnusedMethodParameter'                 // of fake steps that do nothing
    }
}
